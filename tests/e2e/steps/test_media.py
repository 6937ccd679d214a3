"""Pictures that cannot be used: refused by name as INVALID_ARGUMENT or 400, and nobody else is harmed."""

from __future__ import annotations

import io
import math
import struct
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from PIL import Image
from tritonclient.utils import InferenceServerException

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import PIPELINE, assert_answers, bytes_input, depth_png, infer_pictures, jpeg, png


def bomb(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    """Return a PNG file whose header promises a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def saved(kind: str) -> bytes:
    """Return a picture in a format that is not taken."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, kind)
    return file.getvalue()


def flipped(data: bytes) -> bytes:
    """Return a file with its middle overwritten."""
    middle = len(data) // 2
    return data[: middle - 20] + bytes(40) + data[middle + 20 :]


CASES: dict[str, tuple[bytes, bytes, list[float] | None, str]] = {
    "empty rgb": (b"", depth_png(), None, "rgb_image is empty"),
    "empty depth": (jpeg(), b"", None, "depth_image is empty"),
    "text for rgb": (b"hello", depth_png(), None, "rgb_image is no JPEG or PNG file: 5 bytes"),
    "text for depth": (jpeg(), b"hello", None, "depth_image is no PNG file"),
    "a GIF": (saved("GIF"), depth_png(), None, "rgb_image is no JPEG or PNG file"),
    "a TIFF": (saved("TIFF"), depth_png(), None, "rgb_image is no JPEG or PNG file"),
    "a WebP": (saved("WEBP"), depth_png(), None, "rgb_image is no JPEG or PNG file"),
    "truncated JPEG": (jpeg(640, 480)[:2000], depth_png(), None, "rgb_image cannot be decoded"),
    "JPEG header alone": (jpeg()[:200], depth_png(), None, "rgb_image"),
    "truncated PNG": (png(640, 480)[:700], depth_png(), None, "rgb_image cannot be decoded"),
    "truncated depth": (jpeg(640, 480), depth_png(640, 480)[:2000], None, "depth_image cannot be decoded"),
    "depth with a damaged middle": (jpeg(), flipped(depth_png()), None, "depth_image cannot be decoded"),
    "PNG signature alone": (png()[:8], depth_png(), None, "rgb_image"),
    "50,000 x 50,000 rgb": (bomb(50_000, 50_000), depth_png(), None, "rgb_image has far more pixels"),
    "50,000 x 50,000 depth": (jpeg(), bomb(50_000, 50_000, 16, 0), None, "depth_image has far more pixels"),
    "33 MP": (bomb(6600, 5000), depth_png(), None, "rgb_image is 6600 x 5000 = 33000000 pixels; allowed are 32000000"),
    "40,000 pixels wide": (bomb(40_000, 1), depth_png(), None, "32768 a side"),
    "depth of another aspect ratio": (
        jpeg(),
        depth_png(48, 64),
        None,
        "depth_image is 48 x 64 but rgb_image is 64 x 48",
    ),
    "8-bit depth": (jpeg(), png(mode="L"), None, "depth_image is an 8-bit greyscale picture (PNG, mode L)"),
    "RGB depth": (jpeg(), png(), None, "depth_image is an RGB picture (PNG, mode RGB); send a 16-bit greyscale"),
    "palette depth": (jpeg(), png(mode="P"), None, "depth_image is a palette picture"),
    "JPEG depth": (jpeg(), jpeg(), None, "depth_image is no PNG file"),
    "depth for rgb": (depth_png(), depth_png(), None, "rgb_image is a 16-bit greyscale picture"),
    "units of zero": (jpeg(), depth_png(), [0.0], "depth_units_per_metre is 0; allowed are"),
    "negative units": (jpeg(), depth_png(), [-1000.0], "depth_units_per_metre is -1000"),
    "units that are no number": (jpeg(), depth_png(), [math.nan], "depth_units_per_metre is nan"),
    "infinite units": (jpeg(), depth_png(), [math.inf], "depth_units_per_metre is inf"),
}


def ask_http(server: EmbeddedServer, rgb: list[bytes], depth: list[bytes], units: list[float] | None) -> Any:
    """Send pictures by HTTP."""

    def tensor(name: str, values: Any, kind: str) -> Any:
        return tritonclient.http.InferInput(name, [len(values), 1], kind).set_data_from_numpy(values)

    inputs = [
        tensor("rgb_image", np.array(rgb, dtype=np.object_).reshape(-1, 1), "BYTES"),
        tensor("depth_image", np.array(depth, dtype=np.object_).reshape(-1, 1), "BYTES"),
    ]
    if units is not None:
        inputs.append(tensor("depth_units_per_metre", np.array(units, np.float32).reshape(-1, 1), "FP32"))
    with tritonclient.http.InferenceServerClient(server.http_url.removeprefix("http://")) as client:
        return client.infer(PIPELINE, inputs)


def ask_grpc(server: EmbeddedServer, rgb: list[bytes], depth: list[bytes], units: list[float] | None) -> Any:
    """Send pictures by gRPC."""
    return infer_pictures(server, rgb, depth, units=units)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("ask", "status"), [(ask_grpc, "StatusCode.INVALID_ARGUMENT"), (ask_http, "400")])
def test_a_picture_that_cannot_be_used_is_named(
    case: str, ask: Callable[..., Any], status: str, server: EmbeddedServer
) -> None:
    rgb, depth, units, said = CASES[case]
    with pytest.raises(InferenceServerException) as refused:
        ask(server, [rgb], [depth], units)
    assert refused.value.status() == status
    assert said in refused.value.message()


def test_a_bad_picture_fails_its_own_request_only(server: EmbeddedServer) -> None:
    answers: dict[int, Any] = {}
    finished = threading.Semaphore(0)
    count = 16

    def take(index: int, result: Any, error: Any) -> None:
        answers[index] = error or result
        finished.release()

    with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        for index in range(count):
            rgb = b"broken" if index % 3 == 0 else jpeg(64 + 4 * index, 48 + 3 * index)
            inputs = [bytes_input("rgb_image", [rgb]), bytes_input("depth_image", [depth_png()])]
            client.async_infer(PIPELINE, inputs, lambda result, error, index=index: take(index, result, error))
        assert all(finished.acquire(timeout=60) for _ in range(count))
    for index, answer in answers.items():
        if index % 3 == 0:
            assert "rgb_image is no JPEG or PNG file" in answer.message()
        else:
            labels = Image.open(io.BytesIO(answer.as_numpy("labels_png")[0, 0]))
            assert labels.size == (64 + 4 * index, 48 + 3 * index)


def test_the_largest_picture_is_answered_at_its_own_size(server: EmbeddedServer) -> None:
    answer = infer_pictures(server, [jpeg(8000, 4000)], [depth_png(800, 400)])
    assert Image.open(io.BytesIO(answer.as_numpy("labels_png")[0, 0])).size == (8000, 4000)


def test_after_all_of_that_the_server_still_answers(server: EmbeddedServer) -> None:
    assert_answers(server)
