"""The page plays recordings: every frame's labels are what the server says of it, and only what is shown is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.clients import Predictor
from tests.support.page.browser import in_chromium, opened_page, pixels, slide
from tests.support.page.frames import Shot, recorded, shots

pytestmark = in_chromium
COUNTING = """
window.bytesRead = 0;
const slice = Blob.prototype.slice;
File.prototype.slice = function (from, to, ...rest) {
  if (/[.](mcap|bag|mkv)$/.test(this.name)) window.bytesRead += Math.min(to, this.size) - from;
  return slice.call(this, from, to, ...rest);
};
for (const name of ["arrayBuffer", "stream", "text"]) {
  const whole = Blob.prototype[name];
  File.prototype[name] = function (...rest) {
    if (/[.](mcap|bag|mkv)$/.test(this.name)) throw new Error("the recording is read whole");
    return whole.apply(this, rest);
  };
}
"""


@pytest.fixture
def page(browser: Any, server: Any) -> Iterator[Any]:
    """The page of the server of one network; it counts what it reads of a recording."""
    with opened_page(browser, server.http_url) as opened:
        opened.evaluate(f"() => {{{COUNTING}}}")
        yield opened


def play(page: Any, path: Path) -> None:
    """Choose a recording and wait until its first frame or a refusal is shown."""
    page.set_input_files("#file-recording", path)
    page.wait_for_selector("#player[data-shown], #refused")


def go_to(page: Any, place: int) -> None:
    """Move the slider to a frame as a hand would, and wait for its answer."""
    page.eval_on_selector(
        "#frame",
        "(slider, value) => { slider.value = value;"
        " for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind)) }",
        place,
    )
    page.wait_for_selector(f"#player[data-shown='{place}']")


def shown_labels(page: Any, palette: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the classes that the page shows, int [H, W]."""
    slide(page, 100)
    shown = pixels(page, "#overlay")
    distances = np.abs(shown[:, :, None].astype(int) - palette.astype(int)).sum(axis=3)
    assert (distances.min(axis=2) == 0).all(), "full opacity shows the classes alone"
    return np.asarray(distances.argmin(axis=2))


def assert_shown(page: Any, server: Any, shot: Shot, rgb: bytes) -> None:
    """Fail unless the labels on the page are those that a client gets for the frame."""
    with Predictor(server.grpc_url) as predictor:
        result = predictor.segment(rgb, shot.depth_png, depth_units_per_metre=1000)
    assert (shown_labels(page, result.palette) == result.labels).mean() > 0.999
    assert (pixels(page, "#depth")[shot.depth == 0] == 0).all()


def test_an_mcap_file_is_played_frame_by_frame(page: Any, server: Any, tmp_path: Path) -> None:
    frames = shots(40)
    path = recorded(frames).write(tmp_path / "desk.mcap", compression="none", chunk_size=40_000)
    play(page, path)
    assert_shown(page, server, frames[0], frames[0].png)
    go_to(page, 4)
    assert_shown(page, server, frames[4], frames[4].png)
    assert page.inner_text("#note").startswith("Shown: 0.13 s, frame 5, answered in ")
    assert page.inner_text("#time") == "0.13 s / 1.29 s"
    facts = page.text_content("#facts")
    assert "depth unit: millimetres, as the encoding 16UC1 says" in facts
    assert "registration: depth lies in the colour camera, as the topics' names say" in facts
    assert page.evaluate("bytesRead") < path.stat().st_size / 5
