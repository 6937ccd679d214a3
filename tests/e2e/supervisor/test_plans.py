"""Engines and weights that lie beside their graphs: told apart, placed, and refused where they do not belong."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from crosswire.contract import Contract, sha256_of
from crosswire.export.graph_file import described, save
from crosswire.serving.__main__ import main
from crosswire.serving.errors import ServingError
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.repository.assemble import assemble
from crosswire.serving.repository.engines import Host, faults, library_version
from crosswire.serving.repository.model_config import Runtime
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.steps.runtime.providers.sessions import open_session
from tests.support.servers.real import NETWORK, REPOSITORY, assert_answers, contract

VARIED = "rooms_cen_int8"
DTYPES = {"UINT8": np.uint8, "FP32": np.float32}


def copied(folder: Path, name: str) -> Path:
    """Put a network into a repository; return its graph."""
    shutil.copytree(REPOSITORY / name, folder / name)
    return folder / name / Contract.load(folder / name).graph.file


def with_engine(graph: Path, suffix: str = ".plan", **changes: Any) -> Path:
    """Put an engine and its manifest, as `export` writes them, beside a graph; return the engine."""
    engine = graph.with_suffix(suffix)
    engine.write_bytes(f"plan of {graph.name}".encode())
    manifest = {
        "sha256": sha256_of(engine),
        "onnx_sha256": sha256_of(graph),
        "runtime": "tensorrt",
        "version": "10.9.0.34",
        "compute_capabilities": ["9.0"],
        "precision": "fp32",
        "profile": {"rgb": [[1, 128, 160, 3], [4, 128, 160, 3], [8, 128, 160, 3]]},
        "version_compatible": False,
        **changes,
    }
    engine.with_name(f"{engine.name}.json").write_text(json.dumps(manifest))
    return engine


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"onnx_sha256": "0" * 64}, "it was built from another graph"),
        ({"sha256": "0" * 64}, "the engine is not the one that its manifest names"),
        ({"version": "8.6.1"}, "it was built with tensorrt 8.6.1, here is 10.9.0"),
        ({"compute_capabilities": ["8.6", "8.9"]}, "it was built for compute capability 8.6, 8.9, here is 9.0"),
    ],
)
def test_a_plan_for_another_graph_library_or_gpu_is_found_out(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    host, sha256 = Host({"tensorrt": "10.9.0"}, "9.0"), contract().graph.sha256
    assert faults(with_engine(copied(tmp_path / "good", NETWORK)), sha256, host) == []
    (found,) = faults(with_engine(copied(tmp_path / "bad", NETWORK), **changes), sha256, host)
    assert said in found
    compatible = with_engine(copied(tmp_path / "other", NETWORK), version="10.1.0", version_compatible=True)
    assert faults(compatible, sha256, host) == []


def test_the_doctor_names_the_cure_for_a_plan_that_is_out_of_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_engine(copied(tmp_path, NETWORK), onnx_sha256="0" * 64)
    assert main(["doctor", "--repository", str(tmp_path), "--http-port", "0", "--grpc-port", "0"]) == 1
    text = capsys.readouterr().out
    assert f"BROKEN  {NETWORK} plan: it was built from another graph" in text
    assert f"crosswire plan-script {NETWORK}" in text


@pytest.mark.parametrize("name", (NETWORK, VARIED))
def test_the_container_serves_plans_in_the_place_of_their_graphs(name: str, tmp_path: Path) -> None:
    """TensorRT itself is not run: what is compared is where every file lies and what the configurations say."""
    copied(tmp_path / "source", name)
    bare = assemble(find_networks(tmp_path / "source"), Runtime.CONTAINER, tmp_path / "bare", copy_graphs=True)
    native = {key for key, config in bare.configs.items() if config.backend == "onnxruntime"}
    assert native == {name} if name == NETWORK else len(native) == 3
    for graph in (tmp_path / "source" / name / "1").glob("*.onnx"):
        with_engine(graph)
    made = assemble(find_networks(tmp_path / "source"), Runtime.CONTAINER, tmp_path / "made", copy_graphs=True)
    for key, config in made.configs.items():
        before = bare.configs[key]
        assert (list(config.input), list(config.output)) == (list(before.input), list(before.output))
        assert config.backend == ("tensorrt" if key in native else before.backend)
        if key in native:
            version = tmp_path / "made" / key / "1"
            assert config.default_model_filename == "model.plan"
            assert [path.name for path in version.iterdir()] == ["model.plan"]
            assert (version / "model.plan").read_bytes().startswith(b"plan of model")
    embedded = assemble(find_networks(tmp_path / "source"), Runtime.EMBEDDED, tmp_path / "embedded", copy_graphs=False)
    assert embedded.configs[f"{name}_fused"].backend == "python"


def test_a_plan_of_another_graph_is_not_served(tmp_path: Path) -> None:
    with_engine(copied(tmp_path / "source", NETWORK), onnx_sha256="0" * 64)
    with pytest.raises(ServingError, match=r"built from another graph.*or remove it"):
        assemble(find_networks(tmp_path / "source"), Runtime.CONTAINER, tmp_path / "made", copy_graphs=False)


def test_an_engine_of_tensorrt_rtx_is_held_against_its_graph_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = copied(tmp_path / "source", NETWORK)
    about = {"runtime": "tensorrt_rtx", "version": "1.7.1.116", "compute_capabilities": ["8.9", "12.0"]}
    with_engine(graph, ".engine", **about)
    made = assemble(find_networks(tmp_path / "source"), Runtime.CONTAINER, tmp_path / "made", copy_graphs=True)
    assert made.configs[NETWORK].backend == "onnxruntime"
    words = ["doctor", "--repository", str(tmp_path / "source"), "--http-port", "0", "--grpc-port", "0"]
    assert main(words) == 0
    assert (
        f"note    {NETWORK} engine: fits its graph (tensorrt_rtx 1.7.1.116, compute capability 8.9, 12.0)"
        in capsys.readouterr().out
    )
    with_engine(graph, ".engine", **about, onnx_sha256="0" * 64)
    assert main(words) == 1
    assert f"BROKEN  {NETWORK} engine: it was built from another graph" in capsys.readouterr().out
    with pytest.raises(ServingError, match=r"model\.engine does not belong.*built from another graph.*or remove it"):
        assemble(find_networks(tmp_path / "source"), Runtime.EMBEDDED, tmp_path / "embedded", copy_graphs=False)


def test_a_release_is_read_from_the_library_itself() -> None:
    """As in containers, where no Python package tells of it."""
    spec = importlib.util.find_spec("tensorrt_rtx_libs")
    assert spec is not None and spec.submodule_search_locations
    (file,) = Path(spec.submodule_search_locations[0]).glob("libtensorrt_rtx.so*")
    assert library_version(str(file)) == importlib.metadata.version("tensorrt-rtx-cu12-libs")
    assert library_version("libnvinfer.so.0") is None


def test_a_network_with_its_weights_in_a_second_file_is_served(tmp_path: Path) -> None:
    folder = tmp_path / "source" / NETWORK
    graph = copied(tmp_path / "source", NETWORK)
    zeros = {spec.name: np.zeros([1, *spec.shape], DTYPES[spec.dtype]) for spec in contract().inputs}
    expected = open_session(graph, contract().graph.sha256).run(None, zeros)
    save(onnx.load(graph), graph, largest=1000)
    replace(contract(), graph=described(graph, folder)).save(folder)
    assert graph.with_name("model.onnx.data").stat().st_size > 10 * graph.stat().st_size
    found = open_session(graph, sha256_of(graph), weights=True).run(None, zeros)
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assemble(find_networks(tmp_path / "source"), Runtime.CONTAINER, tmp_path / "made", copy_graphs=True)
    assert (tmp_path / "made" / NETWORK / "1" / "model.onnx.data").is_file()
    with EmbeddedServer(tmp_path / "source") as server:
        assert_answers(server)
