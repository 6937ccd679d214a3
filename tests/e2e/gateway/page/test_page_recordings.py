"""The page plays recordings: every frame's labels are what the server says of it, and only what is shown is read."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.clients import Predictor
from crosswire.media.recordings import open_recording
from tests.support.page.browser import in_chromium, opened_page, pixels, slide
from tests.support.page.frames import COLOUR, recorded, shots
from tests.support.recordings.kinect import COLOUR_SIZE, write_mkv
from tests.support.recordings.ros import START, STEP, Ros
from tests.support.servers.real import PIPELINE

pytestmark = in_chromium
_ASKED = re.compile(r"/v1/pipelines/.*output=")
_COUNTING = """() => {
  window.bytesRead = 0;
  const ours = file => /[.](mcap|bag|mkv)$/.test(file.name), slice = Blob.prototype.slice;
  File.prototype.slice = function (from, to, ...rest) {
    if (ours(this)) window.bytesRead += Math.min(to, this.size) - from;
    return slice.call(this, from, to, ...rest);
  };
  for (const name of ["arrayBuffer", "stream", "text"]) {
    const whole = Blob.prototype[name];
    File.prototype[name] = function (...rest) {
      if (ours(this)) throw new Error("the recording is read whole");
      return whole.apply(this, rest);
    };
  }
}"""
_DROP = """([content, name, place]) => {
  const dataTransfer = new DataTransfer(), bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
  dataTransfer.items.add(new File([bytes], name));
  const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector(place).dispatchEvent(drop);
}"""
_MOVE = """(slider, [value, kinds]) => {
  slider.value = value;
  for (const kind of kinds) slider.dispatchEvent(new Event(kind));
}"""


@pytest.fixture
def page(browser: Any, server: Any) -> Iterator[Any]:
    """The page of the server of one network; it counts what it reads of a recording."""
    with opened_page(browser, server.http_url) as opened:
        opened.evaluate(_COUNTING)
        yield opened


def play(page: Any, path: Path) -> None:
    """Choose a recording and wait until its first frame or a refusal is shown."""
    page.set_input_files("#file-recording", path)
    page.wait_for_selector("#player[data-shown], #refused")


def go_to(page: Any, place: int) -> None:
    """Move the slider to a frame as a hand would, and wait for its answer."""
    move(page, place)
    page.wait_for_selector(f"#player[data-shown='{place}']")


def move(page: Any, place: int, *, release: bool = True) -> None:
    """Drag the slider to a frame; release it."""
    page.eval_on_selector("#frame", _MOVE, [place, ["input", "change"] if release else ["input"]])


def assert_shown(page: Any, result: Any) -> None:
    """Fail unless the labels on the page are those of a client's result."""
    slide(page, 100)
    shown = pixels(page, "#overlay")
    distances = np.abs(shown[:, :, None].astype(int) - result.palette.astype(int)).sum(axis=3)
    assert (distances.min(axis=2) == 0).all(), "full opacity shows the classes alone"
    assert (distances.argmin(axis=2) == result.labels).mean() > 0.999


def test_a_recording_is_played_frame_by_frame_and_read_in_slices(page: Any, server: Any, tmp_path: Path) -> None:
    frames = shots(40)
    path = recorded(frames).write(tmp_path / "my desk.mcap", compression="none", chunk_size=40_000)
    play(page, path)
    with Predictor(server.grpc_url) as predictor:
        for place in (0, 23):
            go_to(page, place)
            shot = frames[place]
            assert_shown(page, predictor.segment(shot.png, shot.depth_png, depth_units_per_metre=1000))
            assert (pixels(page, "#depth")[shot.depth == 0] == 0).all()
    assert page.inner_text("#note").startswith("Shown: 0.76 s, frame 24, answered in ")
    assert page.inner_text("#time") == "0.76 s / 1.29 s"
    assert page.get_attribute("#frame", "aria-valuetext") == "0.76 s, frame 24 of 40"
    facts = page.text_content("#facts")
    assert "depth unit: millimetres, as the encoding 16UC1 says" in facts
    assert "registration: depth lies in the colour camera, as the topics' names say" in facts
    assert page.evaluate("bytesRead") < path.stat().st_size / 5
    said = page.inner_text("#snippet")
    assert said == f"crosswire stream 'my desk.mcap' --url {server.http_url} --pipeline {PIPELINE}"


def test_depth_of_another_camera_is_sent_with_the_calibration(page: Any, server: Any, tmp_path: Path) -> None:
    path = write_mkv(tmp_path / "kinect.mkv", 1, sizes=(COLOUR_SIZE, (320, 288)), mode="NFOV_2X2BINNED")
    play(page, path)
    with open_recording(path) as recording, Predictor(server.grpc_url) as predictor:
        (frame,) = recording
        result = predictor.segment(frame.colour, frame.depth, camera=recording.camera)
    assert_shown(page, result)
    assert "The server moved its depth into the colour camera." in page.inner_text("#note")
    assert page.inner_text("#player .name span") == "Azure Kinect MKV · 1 frame · depth unit millimetres"


def test_frames_that_are_found_later_join_the_slider(page: Any, tmp_path: Path) -> None:
    play(page, write_mkv(tmp_path / "long.mkv", 45, sizes=((64, 48), (64, 48)), attached=False))
    page.wait_for_selector("#frame[max='44']")
    page.wait_for_selector("#player .name:has-text('45 frames')")
    go_to(page, 44)
    assert page.inner_text("#time") == "1.45 s / 1.45 s"


def test_a_bag_dropped_anywhere_is_played_from_the_keyboard(page: Any, tmp_path: Path) -> None:
    path = recorded(shots(8), 1).write(tmp_path / "walk.bag", compression="lz4")
    page.evaluate(_DROP, [base64.b64encode(path.read_bytes()).decode(), "walk.bag", "#file-rgb"])
    page.wait_for_selector("#player[data-shown='0']")
    page.focus("#frame")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#player[data-shown='1']")
    page.click("#on")
    page.wait_for_selector("#player[data-shown='2']")
    page.focus("#frame")
    page.keyboard.press("Space")
    page.wait_for_selector("#player[data-shown='7']")
    page.wait_for_selector("#play[aria-label=Play]")
    page.focus("#back")
    page.keyboard.press("Enter")
    page.wait_for_selector("#player[data-shown='6']")
    page.click("#player .clear")
    assert page.is_hidden("#player") and page.is_visible("#empty")


def test_while_one_frame_is_asked_for_only_the_newest_wish_is_kept(page: Any, tmp_path: Path) -> None:
    play(page, recorded(shots(20)).write(tmp_path / "a.mcap", compression="none"))
    held: list[Any] = []
    page.route(_ASKED, lambda route: held.append(route))
    with page.expect_request(_ASKED):
        move(page, 3, release=False)
    for place in range(4, 16):
        move(page, place, release=False)
    with page.expect_request(_ASKED):
        held.pop().continue_()
    page.wait_for_selector("#player[data-shown='3']")
    with page.expect_event("requestfailed"):  # the drag ends elsewhere: nobody waits for frame 15 any more
        move(page, 18)
    page.unroute(_ASKED)
    for route in held[1:]:
        route.continue_()
    page.wait_for_selector("#player[data-shown='18']")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if _ASKED.search(request.url) else None)
    go_to(page, 3)
    assert sent == [], "its answer was kept"


def refused(page: Any, path: Path) -> tuple[str, str]:
    """Return what the page says of a recording that it does not play, and the command that it offers."""
    play(page, path)
    return page.inner_text("#refused"), page.inner_text("#command")


def test_what_a_page_does_not_read_is_answered_with_the_command(page: Any, server: Any, tmp_path: Path) -> None:
    frames, end = shots(2), f"--url {server.http_url} --pipeline {PIPELINE}"
    packed = recorded(frames).write(tmp_path / "packed.mcap", compression="zstd")
    assert refused(page, packed) == (
        "Its chunks are packed with zstd, which this page does not read.",
        f"crosswire stream packed.mcap {end}",
    )
    packed = recorded(frames, 1).write(tmp_path / "packed.bag", compression="bz2")
    assert refused(page, packed)[0] == "Its chunks are packed with bz2, which this page does not read."
    film = write_mkv(tmp_path / "film.mkv", 1, depth="ffv1", sizes=((64, 48), (64, 48)))
    said, _ = refused(page, film)
    assert "no images of depth in 16 bits" in said and "DEPTH (V_FFV1, 64 × 48)" in said
    other = tmp_path / "other.bag"
    other.write_bytes(b"#ROSBAG V1.2\n" + bytes(100))
    assert refused(page, other)[0].startswith("It is no .bag, .mcap or Azure Kinect .mkv")


def test_a_recording_without_pairs_says_what_it_holds(page: Any, tmp_path: Path) -> None:
    ros, (shot,) = Ros(2), shots(1)
    ros.image(COLOUR, shot.stamp, shot.rgb, "rgb8")
    ros.transform("base", "camera", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    said, _ = refused(page, ros.write(tmp_path / "colour.mcap", compression="none"))
    assert "no images of depth" in said and f"{COLOUR} (sensor_msgs/Image, 1)" in said
    ros.image("/camera/depth/image_raw", START + 3 * STEP, shot.depth, "16UC1")
    said, command = refused(page, ros.write(tmp_path / "apart.mcap", compression="none"))
    assert said == "No depth was taken within 20 ms of colour: that of the first frame is 99.0 ms away."
    assert command.endswith(" --longest-gap 99")
    page.fill("#gap", "120")
    page.press("#gap", "Enter")
    page.wait_for_selector("#player[data-shown='0']")
    assert "Its depth is 99.0 ms away." in page.inner_text("#note")
    assert "guessed: registration" in page.inner_text("#player summary")


def test_a_cut_recording_plays_up_to_the_cut_and_says_so(page: Any, tmp_path: Path) -> None:
    path = recorded(shots(6)).write(tmp_path / "cut.mcap", compression="none", chunk_size=40_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    play(page, path)
    assert "it was cut" in page.inner_text("#cut")
    last = int(page.get_attribute("#frame", "max"))
    assert 1 <= last < 5
    go_to(page, last)
