"""All steps of a pipeline in one process answer what steps in processes of their own do, to the byte."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from PIL import Image
from tritonclient.utils import InferenceServerException

from benchmarks.serving import triton_url
from crosswire.serving.gateway.step_statistics import step_times
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import (
    NETWORK,
    PIPELINE,
    REPOSITORY,
    STEPS,
    bytes_input,
    call,
    configured,
    network_inputs,
    stub_of,
    wait_until,
)

REAL = Path("demo/real")
RGB, DEPTH = (REAL / f"redwood_livingroom.{name}" for name in ("rgb.jpg", "depth.png"))
PICTURES = {"rgb_image": RGB, "depth_image": DEPTH}
FILES = {
    "rooms_cen_image": PICTURES,
    "rooms_cen_int8_image": PICTURES,
    "rooms_multitask_image": {"rgb_image": RGB},
    "rooms_translate_image": {"shade_image": RGB, "texture_image": RGB},
    "events_gmf_clip": {"clip": REAL / "stream_of_water.mp4"},
}
EXACT = 0.9999  # of the values: a processor may round a picture's last pixel differently on one thread and on two


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedServer, EmbeddedServer]]:
    """Every network with its steps in one process, and in one each."""
    pace = "[pace]\nseconds = 3600\n"  # beside a probe a network may run on fewer threads, which rounds differently
    fused_options = configured(tmp_path_factory.mktemp("fused"), pace)
    apart_options = configured(tmp_path_factory.mktemp("apart"), STEPS + pace)
    with (
        EmbeddedServer(REPOSITORY, options=fused_options) as fused,
        EmbeddedServer(REPOSITORY, options=apart_options) as apart,
    ):
        yield fused, apart


def ask(url: str, model: str, inputs: list[Any], wanted: list[str] | None = None) -> dict[str, Any]:
    """Return the outputs of one request by name."""
    outputs = None if wanted is None else [tritonclient.grpc.InferRequestedOutput(name) for name in wanted]
    with tritonclient.grpc.InferenceServerClient(url.removeprefix("grpc://")) as client:
        found = client.infer(model, inputs, outputs=outputs)
        return {output.name: found.as_numpy(output.name) for output in found.get_response().outputs}


def files(names: dict[str, Path]) -> list[Any]:
    return [bytes_input(name, [path.read_bytes()]) for name, path in names.items()]


@pytest.mark.parametrize("pipeline", FILES)
def test_every_output_of_every_pipeline_is_the_same(
    pipeline: str, layouts: tuple[EmbeddedServer, EmbeddedServer]
) -> None:
    fused, apart = (ask(server.grpc_url, pipeline, files(FILES[pipeline])) for server in layouts)
    assert list(fused) == list(apart)
    for name, array in fused.items():
        np.testing.assert_array_equal(array, apart[name])
        assert all(len(item) for item in array.ravel() if isinstance(item, bytes))


def test_the_network_answers_tensors_under_its_own_name(layouts: tuple[EmbeddedServer, EmbeddedServer]) -> None:
    arrays = network_inputs(batch=3)
    inputs = [
        tritonclient.grpc.InferInput(name, list(array.shape), "UINT8" if array.dtype == np.uint8 else "FP32")
        for name, array in arrays.items()
    ]
    for tensor, array in zip(inputs, arrays.values(), strict=True):
        tensor.set_data_from_numpy(array)
    fused, apart = (ask(server.grpc_url, NETWORK, inputs) for server in layouts)
    assert sorted(fused) == sorted(apart)
    for name, array in fused.items():
        assert np.mean(np.asarray(array == apart[name])) >= EXACT


@pytest.mark.parametrize("wanted", [["summary"], ["labels_png", "confidence_png"], ["overlay_png"]])
def test_an_overlay_is_drawn_only_where_somebody_asks_for_it(
    wanted: list[str], layouts: tuple[EmbeddedServer, EmbeddedServer]
) -> None:
    inputs = files(PICTURES)
    whole = ask(layouts[0].grpc_url, PIPELINE, inputs)
    for server in layouts:
        assert ask(server.grpc_url, PIPELINE, inputs, wanted) == {name: whole[name] for name in wanted}
        with tritonclient.grpc.InferenceServerClient(triton_url(server).removeprefix("grpc://")) as client:
            asked = client.infer(PIPELINE, inputs, parameters={"crosswire_asked": "summary"})
        assert asked.as_numpy("summary") == whole["summary"]
        drawn = asked.as_numpy("overlay_png")
        assert drawn is None or drawn.ravel()[0] == b"", "steps draw nothing that was not asked for"


def test_what_a_client_says_it_asked_for_counts_for_nothing(layouts: tuple[EmbeddedServer, EmbeddedServer]) -> None:
    inputs = files(PICTURES)
    for server in layouts:
        with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
            found = client.infer(PIPELINE, inputs, parameters={"crosswire_asked": "summary"})
        assert len(found.as_numpy("overlay_png").ravel()[0]) > 1000


def test_a_picture_that_breaks_while_it_is_decoded_ahead_fails_its_own_request_alone(
    layouts: tuple[EmbeddedServer, EmbeddedServer],
) -> None:
    stub = stub_of(layouts[0])
    data = RGB.read_bytes()
    broken = [bytes_input("rgb_image", [data[: len(data) // 2]]), bytes_input("depth_image", [DEPTH.read_bytes()])]
    for _ in range(5):
        with pytest.raises(InferenceServerException, match="rgb_image cannot be decoded"):
            ask(layouts[0].grpc_url, PIPELINE, broken)
    assert set(ask(layouts[0].grpc_url, PIPELINE, files(PICTURES))) >= {"overlay_png"}
    assert stub_of(layouts[0]) == stub


def test_each_step_has_its_own_time_wherever_it_runs(layouts: tuple[EmbeddedServer, EmbeddedServer]) -> None:
    for server in layouts:
        ask(server.grpc_url, PIPELINE, files(PICTURES))
        wait_until(partial(counted, server))
        text = call(server, "GET", "/metrics")[1].decode()
        for step in (f"{NETWORK}_decode", NETWORK, f"{NETWORK}_render"):
            assert f'crosswire_step_seconds_total{{model="{step}"}}' in text


def counted(server: EmbeddedServer) -> bool:
    """Say whether every step of the pipeline has published what it counts: it does when it is quiet."""
    steps = step_times(call(server, "GET", "/metrics")[1])
    return all(name in steps and steps[name].requests for name in (f"{NETWORK}_decode", NETWORK, f"{NETWORK}_render"))


def seconds_of(server: EmbeddedServer, name: str) -> float:
    """Return the time that a model or a step has spent so far."""
    said = json.loads(call(server, "GET", f"/v2/models/{name}/stats")[1])["model_stats"][0]
    return int(said["inference_stats"]["compute_infer"]["ns"]) / 1e9


def assert_the_whole_takes_longest(server: EmbeddedServer) -> None:
    """Fail unless, of what is asked from now on, the pipeline takes as long as each of its steps."""
    names = (f"{NETWORK}_decode", NETWORK, f"{NETWORK}_render", PIPELINE)  # the whole last: it has ended, too
    before = [seconds_of(server, name) for name in names]

    def all_told() -> bool:
        for _ in range(5):  # each time again: what a step had not told `before` weighs less and less
            ask(server.grpc_url, PIPELINE, files(PICTURES))
        *steps, whole = (seconds_of(server, name) - one for name, one in zip(names, before, strict=True))
        return min(steps) > 0 and max(steps) <= whole

    wait_until(all_told)


def test_statistics_tell_how_long_steps_take(layouts: tuple[EmbeddedServer, EmbeddedServer]) -> None:
    for server in layouts:
        ask(server.grpc_url, PIPELINE, files(PICTURES))
        wait_until(partial(counted, server))
        with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
            listed = {one.name for one in client.get_inference_statistics().model_stats}
            assert listed == {one.name for one in client.get_model_repository_index().models}
            for name in (PIPELINE, f"{NETWORK}_decode", NETWORK, f"{NETWORK}_render"):
                (one,) = client.get_inference_statistics(name).model_stats
                stats = one.inference_stats
                assert stats.compute_infer.ns / stats.success.count > 0.5e6, "nanoseconds"
                said = json.loads(call(server, "GET", f"/v2/models/{name}/stats")[1])["model_stats"][0]
                assert said["inference_stats"]["compute_infer"]["ns"] >= stats.compute_infer.ns
        assert_the_whole_takes_longest(server)
        status, body = call(server, "GET", "/v2/models/nothing/stats")
        assert status == 404 and b"there is no model 'nothing'" in body


def test_readings_that_are_none_are_holes_wherever_the_steps_run(
    layouts: tuple[EmbeddedServer, EmbeddedServer],
) -> None:
    stored = np.asarray(Image.open(DEPTH)).astype(np.uint16)

    def sent(value: int) -> list[Any]:
        changed = stored.copy()
        changed[: stored.shape[0] // 10] = value
        file = io.BytesIO()
        Image.fromarray(changed).save(file, "PNG")
        return [*files({"rgb_image": RGB}), bytes_input("depth_image", [file.getvalue()])]

    for server in layouts:
        hole = ask(server.grpc_url, PIPELINE, sent(0))
        for value, name in ((65535, "depth_saturated"), (30_000, "depth_out_of_range")):
            answer = ask(server.grpc_url, PIPELINE, sent(value))
            np.testing.assert_array_equal(answer["labels_png"], hole["labels_png"])
            (warning,) = json.loads(answer["summary"][0, 0])["warnings"]
            assert warning.startswith(f"{name}: ") and "taken as no reading" in warning
