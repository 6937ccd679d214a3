"""The classification extension gives what Triton gives: the largest values of an output as `value:index:label`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from crosswire.contract import Contract
from crosswire.serving.gateway.tensors.classification import largest_values
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.running import choose
from crosswire.serving.wire import RawTensor, pack_bytes, unpack_bytes
from tests.support.paths import REPOSITORY, ROOT
from tests.support.servers.real import NETWORK, PIPELINE, assert_answers, call, infer_body, jpeg, network_inputs

CLIP = ROOT / "serving/gateway/page/samples/bounce_knock.mp4"
CLASSES = Contract.load(REPOSITORY / "events_gmf").classes


@pytest.fixture(scope="module")
def clip_server() -> Iterator[EmbeddedServer]:
    """A server of clips."""
    with EmbeddedServer(REPOSITORY, networks=["events_gmf"]) as running:
        yield running


def ask(
    library: Any, server: EmbeddedServer, model: str, arrays: dict[str, Any], output: str, count: int
) -> np.ndarray[Any, Any]:
    """Return an output with the largest `count` of its values, 0 for the whole output, by NVIDIA's client."""
    url = server.grpc_url if library is tritonclient.grpc else server.http_url
    kinds = {"u": "UINT8", "f": "FP32", "O": "BYTES"}
    inputs = [
        library.InferInput(name, array.shape, kinds[array.dtype.kind]).set_data_from_numpy(array)
        for name, array in arrays.items()
    ]
    with library.InferenceServerClient(url.partition("://")[2]) as client:
        asked = [library.InferRequestedOutput(output, class_count=count)]
        found: np.ndarray[Any, Any] = client.infer(model, inputs, outputs=asked).as_numpy(output)
        return found


@pytest.mark.parametrize("library", [tritonclient.grpc, tritonclient.http])
@pytest.mark.parametrize(("count", "given"), [(1, 1), (3, 3), (50, 8)])
def test_classes_of_clips_come_with_their_labels(
    library: Any, count: int, given: int, clip_server: EmbeddedServer
) -> None:
    clips = np.array([[CLIP.read_bytes()]] * 2, np.object_)
    whole = ask(library, clip_server, "events_gmf_clip", {"clip": clips}, "probabilities", 0)
    found = ask(library, clip_server, "events_gmf_clip", {"clip": clips}, "probabilities", count)
    order = np.argsort(-whole[0], kind="stable")[:given]
    assert found.shape == (2, given)
    assert [text.decode() for text in found[0]] == [f"{whole[0][one]:f}:{one}:{CLASSES[one]}" for one in order]
    assert found[1].tolist() == found[0].tolist()


@pytest.mark.parametrize("count", [1, 3, 8, 1000])
def test_classes_are_those_of_triton_itself_but_for_the_labels(count: int, clip_server: EmbeddedServer) -> None:
    """Triton has no file of labels here, so its texts end after the index."""
    port = int(clip_server.http_url.rpartition(":")[2])
    request = service_pb2.ModelInferRequest(model_name="events_gmf_clip", outputs=[{"name": "probabilities"}])
    request.inputs.add(name="clip", datatype="BYTES", shape=[1, 1])
    request.raw_input_contents.append(pack_bytes([CLIP.read_bytes()]))
    request.outputs[0].parameters["classification"].int64_param = count
    answers = []
    for target in (clip_server.grpc_url.removeprefix("grpc://"), choose(port).run.triton_target):
        with grpc.insecure_channel(target) as channel:
            answers.append(service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request))
    ours, tritons = ([text.decode() for text in unpack_bytes(one.raw_output_contents[0])] for one in answers)
    assert [text.rpartition(":")[0] for text in ours] == tritons
    assert answers[0].outputs == answers[1].outputs


@pytest.mark.parametrize("library", [tritonclient.grpc, tritonclient.http])
def test_largest_labels_of_a_picture_are_whole_numbers_and_places(library: Any, server: EmbeddedServer) -> None:
    arrays = network_inputs(batch=2)
    whole = ask(library, server, NETWORK, arrays, "labels", 0).reshape(2, -1)
    found = ask(library, server, NETWORK, arrays, "labels", 4)
    for sample, texts in zip(whole, found, strict=True):
        pairs = [tuple(map(int, text.decode().split(":"))) for text in texts]
        assert [value for value, _ in pairs] == sorted(sample.tolist(), reverse=True)[:4]
        assert all(sample[place] == value for value, place in pairs)


def test_other_outputs_of_the_same_request_stay_whole(server: EmbeddedServer) -> None:
    outputs = [{"name": "labels", "parameters": {"classification": 2}}, {"name": "confidence"}]
    status, answer = call(
        server, "POST", f"/v2/models/{NETWORK}/infer", json.dumps(infer_body(outputs=outputs)).encode()
    )
    assert status == 200
    found = {one["name"]: one for one in json.loads(answer)["outputs"]}
    assert (found["labels"]["datatype"], found["labels"]["shape"]) == ("BYTES", [1, 2])
    assert (found["confidence"]["datatype"], len(found["confidence"]["data"])) == ("UINT8", 128 * 160)


@pytest.mark.parametrize("count", [-1, "3", True, 2.5])
def test_a_number_of_classes_that_is_none_is_refused(count: Any, server: EmbeddedServer) -> None:
    body = infer_body(outputs=[{"name": "labels", "parameters": {"classification": count}}])
    status, answer = call(server, "POST", f"/v2/models/{NETWORK}/infer", json.dumps(body).encode())
    assert status == 400 and "send how many classes, from 1" in json.loads(answer)["error"]


@pytest.mark.parametrize("library", [tritonclient.grpc, tritonclient.http])
@pytest.mark.parametrize("output", ["summary", "labels_png"])
def test_classes_of_texts_are_refused_and_the_server_lives(library: Any, output: str, server: EmbeddedServer) -> None:
    """Triton 2.51 ends when it is asked for that."""
    arrays = {name: np.array([[jpeg()]], np.object_) for name in ("rgb_image", "depth_image")}
    with pytest.raises(InferenceServerException, match=f"output '{output}' .* got BYTES, expected numbers"):
        ask(library, server, PIPELINE, arrays, output, 1)
    assert_answers(server)


def test_equal_values_come_in_the_order_of_their_places() -> None:
    tensor = RawTensor("x", "FP32", (2, 4), np.array([[1, 3, 3, 0.5], [0, 0, 0, 0]], "<f4").tobytes())
    found = largest_values(tensor, 3, ("a", "b", "c", "d"))
    assert found.shape == (2, 3)
    assert [text.decode() for text in unpack_bytes(found.data)] == [
        "3.000000:1:b", "3.000000:2:c", "1.000000:0:a", "0.000000:0:a", "0.000000:1:b", "0.000000:2:c",
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["UINT8", "INT32", "FP64"])
def test_every_kind_of_number_is_sorted(dtype: str) -> None:
    kinds = {"UINT8": np.uint8, "INT32": np.int32, "FP64": np.float64}
    values = np.array([[7, 0, 200, 9]], kinds[dtype])
    found = unpack_bytes(largest_values(RawTensor("x", dtype, (1, 4), values.tobytes()), 9).data)
    assert [float(text.split(b":")[0]) for text in found] == [200, 9, 7, 0]
    assert [int(text.split(b":")[1]) for text in found] == [2, 3, 0, 1]
