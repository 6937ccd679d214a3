"""One bad file in a batch: the error says which sample it is of, counted from 0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.paths import REPOSITORY, ROOT
from tests.support.servers.real import bytes_input, depth_png, infer_pictures, jpeg, png

CLIP = ROOT / "serving/gateway/page/samples/bounce_knock.mp4"


@pytest.fixture(scope="module")
def clip_server() -> Iterator[EmbeddedServer]:
    """A server of clips."""
    with EmbeddedServer(REPOSITORY, networks=["events_gmf"]) as running:
        yield running


@pytest.mark.parametrize(
    ("rgb", "depth", "said"),
    [
        ([jpeg(), b"oops", jpeg()], [depth_png()] * 3, "sample 1 (counted from 0): rgb_image is no JPEG or PNG file"),
        ([jpeg()] * 3, [depth_png()] * 2 + [png()], "sample 2 (counted from 0): depth_image is an RGB picture"),
        ([b""] + [jpeg()] * 2, [depth_png()] * 3, "sample 0 (counted from 0): rgb_image is empty"),
        ([jpeg()] * 2, [depth_png(), depth_png(48, 64)], "sample 1 (counted from 0): depth_image is 48 x 64 but"),
        ([jpeg()] * 2, [depth_png(), depth_png(640, 480)[:2000]], "sample 1 (counted from 0): depth_image cannot"),
    ],
    ids=["other bytes", "the last", "the first", "another aspect ratio", "cut short"],
)
def test_the_sample_with_a_bad_picture_is_named(
    rgb: list[bytes], depth: list[bytes], said: str, server: EmbeddedServer
) -> None:
    with pytest.raises(InferenceServerException) as rejected:
        infer_pictures(server, rgb, depth)
    assert said in rejected.value.message()


def test_a_scale_out_of_range_names_its_sample(server: EmbeddedServer) -> None:
    with pytest.raises(InferenceServerException) as rejected:
        infer_pictures(server, [jpeg()] * 2, [depth_png()] * 2, units=[1000, 0])
    assert "sample 1 (counted from 0): depth_units_per_metre is 0" in rejected.value.message()


def test_a_request_of_one_sample_needs_no_number(server: EmbeddedServer) -> None:
    with pytest.raises(InferenceServerException) as rejected:
        infer_pictures(server, [b"oops"], [depth_png()])
    assert "rgb_image is no JPEG" in rejected.value.message() and "sample" not in rejected.value.message()


@pytest.mark.parametrize(("index", "data"), [(1, CLIP.read_bytes()[:20_000]), (2, b"oops"), (0, b"")])
def test_the_sample_with_a_bad_clip_is_named(index: int, data: bytes, clip_server: Any) -> None:
    clips = [CLIP.read_bytes()] * 3
    clips[index] = data
    with (
        tritonclient.grpc.InferenceServerClient(clip_server.grpc_url.removeprefix("grpc://")) as client,
        pytest.raises(InferenceServerException) as rejected,
    ):
        client.infer("events_gmf_clip", [bytes_input("clip", clips)])
    assert f"sample {index} (counted from 0): clip" in rejected.value.message()
