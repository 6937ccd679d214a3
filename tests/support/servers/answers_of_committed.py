"""What a server answers for the committed networks: the SHA-256 of every output, to hold two versions side by side.

    python -m tests.support.servers.answers_of_committed NEW.json --against OLD.json

It speaks to the server with other people's clients alone, so one file serves versions that lie elsewhere, too: run it
by its path in the other checkout's folder, with `--server` for a server that goes by another module there. Compare
what one machine wrote with one thread per network, as without `--config`: with two, whether a sample of a batch gets
one of them or both depends on the other sample's pace, and with it the last bit of a probability.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

_HERE = Path(__file__).resolve().parents[3]
_ROOMS = _HERE / "demo" / "rooms"
_REAL = _HERE / "demo" / "real"
_SEED = 2608
_ONE_THREAD = "[models]\nthreads = 1\n"
_UNITS = "depth_units_per_metre"
Arrays = dict[str, np.ndarray[Any, Any]]


@contextlib.contextmanager
def served(module: str, repository: Path, config: Path | None) -> Iterator[dict[str, Any]]:
    """Run a server of the checkout in the current folder; yields what it announced."""
    command = [sys.executable, "-m", module, "up", "--json", "--parent", str(os.getpid())]
    command += ["--repository", str(repository), "--http-port", "0", "--grpc-port", "0"]
    with contextlib.ExitStack() as stack:
        if config is None:
            config = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "serving.toml"
            config.write_text(_ONE_THREAD, encoding="utf-8")
        command += ["--config", str(config)]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait()


def requests_of(metadata: Mapping[str, Any]) -> dict[str, Arrays]:
    """Return named requests for a model, from what it says of its inputs: files where it takes bytes, else noise."""
    inputs = {one["name"]: one for one in metadata["inputs"]}
    encoded = [name for name, one in inputs.items() if one["datatype"] == "BYTES" and name not in ("present", "camera")]
    if not encoded:
        return _tensor_requests(inputs)
    return _clip_requests() if encoded == ["clip"] else _image_requests(encoded, _UNITS in inputs)


def _tensor_requests(inputs: Mapping[str, Any]) -> dict[str, Arrays]:
    """Return noise for a network, for all of its inputs and for each alone."""
    generator = np.random.default_rng(_SEED)
    found: dict[str, Arrays] = {}
    for batch in (1, 2):
        arrays = {}
        for name, one in inputs.items():
            shape = (batch, *(int(size) for size in one["shape"][1:]))
            if one["datatype"] == "UINT8":
                arrays[name] = generator.integers(0, 256, shape, np.uint8)
            elif one["datatype"] != "BYTES":
                arrays[name] = generator.uniform(0.5, 6, shape).astype(triton_to_np_dtype(one["datatype"]))
        found[f"noise x{batch}"] = arrays
        found |= {f"{name} alone x{batch}": {name: array} for name, array in arrays.items() if len(arrays) > 1}
    return found


def _clip_requests() -> dict[str, Arrays]:
    """Return clips, whole and damaged."""
    water = (_REAL / "stream_of_water.mp4").read_bytes()
    knock = next(_HERE.glob("serving/*/page/samples/bounce_knock.mp4")).read_bytes()
    files = {"water": water, "knock": knock, "half": water[: len(water) // 2], "text": b"no clip at all", "empty": b""}
    return {name: {"clip": _column(data)} for name, data in files.items()} | {"both": {"clip": _column(water, knock)}}


def _image_requests(names: list[str], takes_units: bool) -> dict[str, Arrays]:
    """Return views of which there is every image, parts of them, batches, and damaged ones."""
    domains = [name.removesuffix("_image") for name in names]
    views = {f"room_{index}": _files(_ROOMS, f"room_{index}", domains) for index in range(8)}
    views |= {view: _files(_REAL, view, domains) for view in ("tum_desk", "redwood_livingroom")}
    whole = {view: files for view, files in views.items() if len(files) == len(names)}
    found = {view: {name: _column(data) for name, data in files.items()} for view, files in whole.items()}
    every = list(whole.values())
    first, last = every[0], every[-1]
    found["batch"] = {name: _column(first[name], data, first[name]) for name, data in last.items()}
    for name, data in first.items():
        rest = {other: _column(one) for other, one in first.items() if other != name}
        found[f"{name} alone"] = {name: _column(data)}
        for what, bad in _damaged(data).items():
            found[f"{name} {what}"] = {**rest, name: _column(bad)}
    if takes_units:
        for units in (5000.0, 0.0):
            array = np.array([[units]], np.float32)
            found[f"units {units:g}"] = {**{name: _column(data) for name, data in first.items()}, _UNITS: array}
    return found


def _files(folder: Path, view: str, domains: list[str]) -> dict[str, bytes]:
    """Return those images of a view that there are, by tensor."""
    found = {domain: sorted(folder.glob(f"{view}.{domain}.*")) for domain in domains}
    return {f"{domain}_image": paths[0].read_bytes() for domain, paths in found.items() if paths}


def _damaged(data: bytes) -> dict[str, bytes]:
    """Return what an encoded image may become on its way."""
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 0xFF
    water = (_REAL / "stream_of_water.mp4").read_bytes()[:4000]
    return {"half": data[: len(data) // 2], "head": data[:20], "flipped": bytes(flipped), "clip": water, "empty": b""}


def _column(*items: bytes) -> np.ndarray[Any, Any]:
    """Return byte strings as a BYTES tensor [N, 1]."""
    return np.array(items, np.object_).reshape(-1, 1)


def answers(module: Any, client: Any, metadata: Mapping[str, Any], arrays: Arrays) -> dict[str, str]:
    """Send one request; returns the hash of every output, or the error's text."""
    types = {one["name"]: one["datatype"] for one in metadata["inputs"]}
    inputs = [
        module.InferInput(name, list(array.shape), types[name]).set_data_from_numpy(array)
        for name, array in arrays.items()
    ]
    try:
        result = client.infer(metadata["name"], inputs)
    except InferenceServerException as error:
        return {"error": error.message()}
    return {one["name"]: _hash(result.as_numpy(one["name"])) for one in metadata["outputs"]}


def _hash(array: np.ndarray[Any, Any] | None) -> str:
    """Return the SHA-256 of an array's type, shape and content; each of its byte strings has its own length."""
    if array is None:
        return "none"
    text = f"{array.dtype} {array.shape}".encode()
    items = array.ravel().tolist() if array.dtype == np.object_ else [array.tobytes()]
    return hashlib.sha256(text + b"".join(len(one).to_bytes(8, "big") + one for one in items)).hexdigest()


def collect(module: str, repository: Path, config: Path | None) -> dict[str, str]:
    """Return the hash of every output of every model by protocol, model, request and output."""
    found = {}
    with served(module, repository, config) as facts:
        http = tritonclient.http.InferenceServerClient(facts["http_url"].removeprefix("http://"), network_timeout=300)
        grpc = tritonclient.grpc.InferenceServerClient(facts["grpc_url"].removeprefix("grpc://"))
        with http, grpc:
            for name in sorted({*facts["networks"], *facts["pipelines"]}):
                metadata = http.get_model_metadata(name)
                for case, arrays in requests_of(metadata).items():
                    for library, client in ((tritonclient.http, http), (tritonclient.grpc, grpc)):
                        protocol = library.__name__.rpartition(".")[2]
                        for output, said in answers(library, client, metadata, arrays).items():
                            found[f"{name} / {case} / {output} / {protocol}"] = said
    return found


def main() -> int:
    """Write the hashes; with `--against` return 1 unless both files say the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--against", type=Path, help="JSON file that another version wrote")
    parser.add_argument("--server", default="crosswire.serving", metavar="MODULE")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--config", type=Path, help="configuration file for the server; left out: one thread")
    options = parser.parse_args()
    found = collect(options.server, options.repository, options.config)
    options.out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    hashes = sum(" / error / " not in key for key in found)
    print(f"{options.out}: {hashes} outputs, {len(found) - hashes} errors")
    if options.against is None:
        return 0
    before = json.loads(options.against.read_text(encoding="utf-8"))
    other = sorted(key for key in {*before, *found} if before.get(key) != found.get(key))
    for key in other:
        print(f"{key}\n  was {before.get(key)}\n  is  {found.get(key)}")
    print(f"{len(other)} differ from {options.against}")
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main())
