"""Hundreds of malformed requests in one go: all refused in words, nothing lost, nothing grown, nobody else harmed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
from tritonclient.grpc.service_pb2 import ModelInferRequest
from tritonclient.utils import InferenceServerException

from crosswire.media.cameras.camera import Lens, RgbdCamera
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.process_table import descendants_of
from crosswire.serving.steps.runtime.step import most_at_once
from crosswire.serving.wire import RawTensor, infer_request, pack_bytes
from tests.e2e.gateway.test_malformed_http import BINARIES, BODIES
from tests.e2e.steps.test_media import CASES as PICTURES
from tests.support.hostile.cameras import CAMERAS
from tests.support.servers.real import (
    NETWORK,
    PIPELINE,
    assert_answers,
    call,
    decoders_of,
    depth_png,
    infer_pictures,
    jpeg,
    network_inputs,
    png,
    resident_bytes,
)
from tests.support.servers.unregistered import COLOUR_SIZE, depth_file, unregistered

HEADER = "Inference-Header-Content-Length"
INFER = "/inference.GRPCInferenceService/ModelInfer"
REFUSED = {"INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}
Answer = tuple[str, str]  # a status and a message
LENS = Lens(64, 48, 50.0, 50.0, 31.5, 23.5)


@dataclass(frozen=True)
class Case:
    """One malformed request: how it is sent, and one of the words that its refusal must hold."""

    name: str
    send: Callable[[EmbeddedServer], Answer]
    words: tuple[str, ...]


def valid(model: str) -> ModelInferRequest:
    """Return a correct request."""
    if model == NETWORK:
        arrays = network_inputs()
        tensors = [
            RawTensor(name, "UINT8" if name == "rgb" else "FP32", array.shape, array.tobytes())
            for name, array in arrays.items()
        ]
    else:
        tensors = [
            RawTensor("rgb_image", "BYTES", (1, 1), pack_bytes([jpeg()])),
            RawTensor("depth_image", "BYTES", (1, 1), pack_bytes([depth_png()])),
            RawTensor("depth_units_per_metre", "FP32", (1, 1), b"\0\0\x7a\x44"),
            RawTensor("camera", "BYTES", (1, 1), pack_bytes([RgbdCamera(LENS, LENS).to_json().encode()])),
        ]
    return infer_request(model, tensors)


def shaped(*shape: int) -> Callable[[ModelInferRequest, int], None]:
    """Return a change of one input's shape."""

    def change(request: ModelInferRequest, index: int) -> None:
        request.inputs[index].shape[:] = shape

    return change


def typed(dtype: str) -> Callable[[ModelInferRequest, int], None]:
    """Return a change of one input's datatype."""

    def change(request: ModelInferRequest, index: int) -> None:
        request.inputs[index].datatype = dtype

    return change


def with_data(make: Callable[[bytes], bytes]) -> Callable[[ModelInferRequest, int], None]:
    """Return a change of one input's bytes."""

    def change(request: ModelInferRequest, index: int) -> None:
        request.raw_input_contents[index] = make(request.raw_input_contents[index])

    return change


def renamed(name: str) -> Callable[[ModelInferRequest, int], None]:
    """Return a change of one input's name."""

    def change(request: ModelInferRequest, index: int) -> None:
        request.inputs[index].name = name

    return change


def with_parameter(key: str) -> Callable[[ModelInferRequest, int], None]:
    """Return a change that adds a parameter to one input."""

    def change(request: ModelInferRequest, index: int) -> None:
        request.inputs[index].parameters[key].string_param = "a"

    return change


def twice(request: ModelInferRequest, index: int) -> None:
    """Send one input twice."""
    request.inputs.append(request.inputs[index])
    request.raw_input_contents.append(request.raw_input_contents[index])


#: Changes of one input, each with the words that the refusal must hold beside the input's name.
CHANGES: dict[str, Callable[[ModelInferRequest, int], None]] = {
    **{f"as {dtype}": typed(dtype) for dtype in ("INT64", "FP64", "BOOL", "UINT16", "BF16", "", "uint8", "X" * 99)},
    "without a shape": shaped(),
    "of no elements": shaped(0, 1),
    "of negative size": shaped(-1, 1),
    "of the smallest 64-bit size": shaped(-(2**63)),
    "of the largest 64-bit size": shaped(2**63 - 1),
    "of sizes that overflow": shaped(2**31, 2**31, 2**31),
    "of 17 sizes": shaped(*[1] * 17),
    "of a batch of 1000": shaped(1000, 1),
    "with an axis too many": shaped(1, 1, 1, 1, 1, 1),
    "cut by a byte": with_data(lambda data: data[:-1]),
    "with a byte too many": with_data(lambda data: data + b"x"),
    "without bytes": with_data(lambda data: b""),
    "with one byte": with_data(lambda data: b"\xff"),
    "under another name": renamed("nope"),
    "under no name": renamed(""),
    "under a name of 5000 characters": renamed("r" * 5000),
    "under a name in capitals": renamed("RGB"),
    "from shared memory": with_parameter("shared_memory_region"),
    "twice": twice,
}  # fmt: skip


def over_grpc(request: ModelInferRequest) -> Callable[[EmbeddedServer], Answer]:
    """Return how a message is sent by gRPC."""
    return raw_grpc(request.SerializeToString())


def raw_grpc(data: bytes) -> Callable[[EmbeddedServer], Answer]:
    """Return how bytes are sent by gRPC."""

    def send(server: EmbeddedServer) -> Answer:
        target = server.grpc_url.removeprefix("grpc://")
        with grpc.insecure_channel(target, options=[("grpc.max_send_message_length", -1)]) as channel:
            try:
                channel.unary_unary(INFER)(data, timeout=120)
            except grpc.RpcError as error:
                return error.code().name, str(error.details())
        return "OK", ""

    return send


def over_http(request: ModelInferRequest) -> Callable[[EmbeddedServer], Answer]:
    """Return how a message is sent by HTTP in the binary form."""
    inputs = [
        {
            "name": given.name,
            "datatype": given.datatype,
            "shape": list(given.shape),
            "parameters": {
                "binary_data_size": len(data),
                **{key: value.string_param for key, value in given.parameters.items()},
            },
        }
        for given, data in zip(request.inputs, request.raw_input_contents, strict=True)
    ]
    text = json.dumps({"inputs": inputs}).encode()
    return raw_http(request.model_name, text + b"".join(request.raw_input_contents), {HEADER: str(len(text))})


def raw_http(model: str, body: bytes, headers: Any) -> Callable[[EmbeddedServer], Answer]:
    """Return how a body is sent by HTTP."""

    def send(server: EmbeddedServer) -> Answer:
        status, answer = call(server, "POST", f"/v2/models/{model}/infer", body, headers)
        return str(status), json.loads(answer).get("error", "") if status != 200 else ""

    return send


def as_form(rgb: bytes, depth: bytes, units: list[float] | None) -> Callable[[EmbeddedServer], Answer]:
    """Return how pictures are sent as a form."""

    def send(server: EmbeddedServer) -> Answer:
        data = {} if units is None else {"depth_units_per_metre": str(units[0])}
        url = f"{server.http_url}/v1/pipelines/{PIPELINE}"
        answer = httpx.post(url, files={"rgb": rgb, "depth": depth}, data=data, timeout=120)
        return str(answer.status_code), answer.json().get("error", "")

    return send


def as_tensors(rgb: bytes, depth: bytes, units: list[float] | None) -> Callable[[EmbeddedServer], Answer]:
    """Return how pictures are sent by gRPC."""

    def send(server: EmbeddedServer) -> Answer:
        try:
            infer_pictures(server, [rgb], [depth], units=units)
        except InferenceServerException as error:
            return str(error.status()).removeprefix("StatusCode."), error.message()
        return "OK", ""

    return send


def with_camera(camera: bytes, *, form: bool) -> Callable[[EmbeddedServer], Answer]:
    """Return how an unregistered pair is sent with its camera, as a form or by gRPC."""
    rgb, depth = jpeg(*COLOUR_SIZE), depth_file(unregistered())
    files = {"rgb": rgb, "depth": depth, "camera": camera}

    def as_form(server: EmbeddedServer) -> Answer:
        answer = httpx.post(f"{server.http_url}/v1/pipelines/{PIPELINE}", files=files, timeout=120)
        return str(answer.status_code), answer.json().get("error", "")

    names = ("rgb_image", "depth_image", "camera")
    tensors = [
        RawTensor(name, "BYTES", (1, 1), pack_bytes([data])) for name, data in zip(names, files.values(), strict=True)
    ]
    return as_form if form else over_grpc(infer_request(PIPELINE, tensors))


def changed_inputs() -> Iterator[Case]:
    """Yield every change of every input of the network and of the pipeline, over both protocols."""
    for model in (NETWORK, PIPELINE):
        for index, given in enumerate(valid(model).inputs):
            for change, make in CHANGES.items():
                request = valid(model)
                make(request, index)
                if request == valid(model):
                    continue
                words = (given.name, request.inputs[index].name[:20] or "an input has the name")
                for protocol, send in (("gRPC", over_grpc), ("HTTP", over_http)):
                    yield Case(f"{protocol}: {model} {given.name} {change}", send(request), words)


def other_messages() -> Iterator[Case]:
    """Yield messages that are wrong as a whole."""
    whole = valid(PIPELINE).SerializeToString()
    for cut in range(1, len(whole), len(whole) // 24):
        yield Case(f"gRPC: cut after {cut} bytes", raw_grpc(whole[:cut]), ("ModelInferRequest", "input", "no model"))
    for name, data in {"nothing": b"", "text": b"hello", "zeros": bytes(99), "ones": b"\xff" * 99}.items():
        yield Case(f"gRPC: {name}", raw_grpc(data), ("ModelInferRequest", "no model"))
    for model in ("nope", "../etc", "n" * 5000, f"{PIPELINE} ", "\0"):
        request = valid(PIPELINE)
        request.model_name = model
        yield Case(f"gRPC: model {model[:9]!r}", over_grpc(request), ("no model",))
    for version in ("2", "-1", "x", "9" * 30):
        request = valid(PIPELINE)
        request.model_version = version
        yield Case(f"gRPC: version {version[:9]}", over_grpc(request), ("version",))
    request = valid(PIPELINE)
    del request.raw_input_contents[1:]
    yield Case("gRPC: one raw content for several inputs", over_grpc(request), ("raw_input_contents", "elements"))
    request = valid(PIPELINE)
    request.inputs[0].contents.bytes_contents.append(b"a")
    yield Case("gRPC: both kinds of contents", over_grpc(request), ("both",))
    for output in ("nope", "", "labels"):
        request = valid(PIPELINE)
        request.outputs.add(name=output)
        yield Case(f"gRPC: output {output!r}", over_grpc(request), ("no output",))


def all_cases() -> list[Case]:
    """Return the whole battery."""
    cases = [*changed_inputs(), *other_messages()]
    for name, (body, _, said) in BODIES.items():
        cases.append(Case(f"HTTP: {name}", raw_http(NETWORK, body, {}), tuple(said.split("|"))))
    for name, ((body, headers), said) in BINARIES.items():
        cases.append(Case(f"HTTP: {name}", raw_http(NETWORK, body, headers), tuple(said.split("|"))))
    for name, (rgb, depth, units, said) in PICTURES.items():
        cases.append(Case(f"form: {name}", as_form(rgb, depth, units), (said.replace("_image", ""),)))
        cases.append(Case(f"gRPC: {name}", as_tensors(rgb, depth, units), (said,)))
    for name, (camera, said) in CAMERAS.items():
        cases.append(Case(f"form: camera, {name}", with_camera(camera, form=True), (said.replace("_image", ""),)))
        cases.append(Case(f"gRPC: camera, {name}", with_camera(camera, form=False), (said,)))
    return cases


def start_every_decoder(server: EmbeddedServer) -> None:
    """Ask for so much at a time that every decoder is needed: those for what comes, and those for overlays."""

    def ask(_: int) -> Any:
        return infer_pictures(server, [png(2000, 1500)], [depth_png(2000, 1500)])

    with ThreadPoolExecutor(2 * most_at_once()) as pool:
        for _ in range(20):
            list(pool.map(ask, range(4 * most_at_once())))
            if len(decoders_of(server)) == 2 * most_at_once():
                return
    raise AssertionError(f"{len(decoders_of(server))} decoders were started")


def test_hundreds_of_malformed_requests_are_refused_in_words_and_leave_nothing_behind(server: EmbeddedServer) -> None:
    cases = all_cases()
    assert len(cases) >= 300
    infer_pictures(server, [png(4000, 3000)], [depth_png(4000, 3000)])
    start_every_decoder(server)
    processes = descendants_of(server.pid)
    for case in cases[::10]:
        case.send(server)
    before = resident_bytes(server)
    wrong: dict[str, Answer] = {}
    statuses: Counter[str] = Counter()
    for number, case in enumerate(cases):
        status, message = case.send(server)
        statuses[status] += 1
        refused = status in REFUSED or status.startswith("4")
        if not refused or not any(word in message for word in case.words) or len(message) > 1500:
            wrong[case.name] = status, message[:200]
        if number % 25 == 0:
            assert_answers(server)
    assert wrong == {}
    assert resident_bytes(server) - before < 64 << 20
    assert descendants_of(server.pid) == processes, "no process was replaced"
    assert_answers(server)
