"""The page at `/` in a real Chromium: what people see is what the server said."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from crosswire.clients import Predictor
from crosswire.serving.gateway.http.static_page import StaticPage
from tests.support.page.browser import in_chromium, opened_page, pixels, slide
from tests.support.servers.real import PATIENCE_SECONDS, PIPELINE, depth_png, jpeg, png
from tests.support.small_clips import clip
from tests.support.training.small_networks import EVENTS

LARGEST_PAGE = 350_000


@pytest.fixture
def page(browser: Any, server: Any) -> Iterator[Any]:
    """The page of the server of one network."""
    with opened_page(browser, server.http_url) as opened:
        opened.wait_for_selector("#samples button")
        yield opened


def take_sample(page: Any, name: str) -> tuple[bytes, bytes]:
    """Press a sample's button, wait for its answer and return its two files."""
    page.click(f"#samples button:has-text('{name}')")
    page.wait_for_selector("#overlay")
    page.wait_for_selector("#results[aria-busy=false]")
    stem = name.replace(" ", "_")
    base = page.url.rstrip("/")
    return tuple(
        httpx.get(f"{base}/page/samples/{stem}.{end}", timeout=PATIENCE_SECONDS).content
        for end in ("rgb.jpg", "depth.png")
    )  # type: ignore[return-value]


@in_chromium
def test_a_sample_is_answered_with_overlay_legend_confidence_and_depth(
    page: Any, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb, depth = take_sample(page, "room 0")
    with Predictor(server.grpc_url) as predictor:
        result = predictor.segment(rgb, depth)
    slide(page, 100)
    shown = pixels(page, "#overlay")
    assert shown.shape == (*result.labels.shape, 3)
    assert (shown == result.palette[result.labels]).all(axis=2).mean() > 0.999, "full opacity shows the classes alone"
    legend = page.eval_on_selector_all(
        "#legend button",
        "all => all.map(one => [one.querySelector('span').textContent, one.querySelector('data').value])",
    )
    shares = {name: share for name, share in result.shares.items() if share > 0}
    assert {name: float(value) for name, value in legend} == pytest.approx(shares, abs=1e-3)
    assert [float(value) for _, value in legend] == sorted((float(value) for _, value in legend), reverse=True)
    with Image.open(io.BytesIO(depth)) as picture:
        holes = np.asarray(picture) == 0
    assert (pixels(page, "#depth")[holes] == 0).all()
    confidence = pixels(page, "#confidence")
    assert len(np.unique(confidence.reshape(-1, 3), axis=0)) > 10
    page.wait_for_selector("#latency")
    said = page.inner_text("#latency")
    assert all(step in said for step in ("round trip", "decode", "network", "render")) and " ms" in said
    again = run_snippet(page, tmp_path, {"room_0.rgb.jpg": rgb, "room_0.depth.png": depth}, monkeypatch)
    assert again.shares == pytest.approx(result.shares, abs=1e-3)


@in_chromium
def test_the_slider_changes_the_picture_and_a_class_can_be_singled_out(page: Any) -> None:
    rgb, _ = take_sample(page, "room 0")
    slide(page, 0)
    with Image.open(io.BytesIO(rgb)) as picture:
        sent = np.asarray(picture.convert("RGB")).astype(int)
    bare = pixels(page, "#overlay").astype(int)
    assert np.abs(bare - sent).mean() < 2, "without opacity it is the picture that was sent"
    slide(page, 55)
    half = pixels(page, "#overlay").astype(int)
    slide(page, 100)
    full = pixels(page, "#overlay").astype(int)
    assert np.abs(half - (0.45 * bare + 0.55 * full)).mean() < 2
    page.press("#opacity", "ArrowLeft")
    assert page.inner_text(".tools output") == "99 %"
    page.click("#legend button >> nth=0")
    assert page.get_attribute("#legend button >> nth=0", "aria-pressed") == "true"
    assert np.abs(pixels(page, "#overlay").astype(int) - full).mean() > 5


@in_chromium
def test_files_of_ones_own_are_sent_and_an_invalid_one_shows_what_the_server_says(page: Any, server: Any) -> None:
    assert page.is_disabled("#run")
    page.set_input_files("#file-rgb", files=[{"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": jpeg()}])
    page.set_input_files("#file-depth", files=[{"name": "it's.png", "mimeType": "image/png", "buffer": depth_png()}])
    snippet = page.inner_text("#snippet")
    assert "-F rgb=@mine.jpg" in snippet and f"{server.http_url}/v1/pipelines/{PIPELINE}" in snippet
    assert "'it'\\''s.png'" in snippet, "quoted for a shell"
    page.click("#run")
    page.wait_for_selector("#overlay")
    page.set_input_files("#file-rgb", files=[{"name": "bad.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}])
    page.click("#run")
    page.wait_for_selector("#problem:not([hidden])")
    wrong = httpx.post(
        f"{server.http_url}/v1/pipelines/{PIPELINE}",
        files={"rgb": ("bad.jpg", b"no picture"), "depth": ("d.png", depth_png())},
        timeout=PATIENCE_SECONDS,
    )
    assert page.inner_text("#problem") == wrong.json()["error"]
    assert page.is_hidden("#answer"), "it belongs to other files"
    take_sample(page, "real desk")
    assert page.is_hidden("#problem") and page.input_value("#number-depth_units_per_metre") == "5000"


@in_chromium
def test_the_page_works_from_the_keyboard(page: Any) -> None:
    page.focus("#pipeline")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "room 0"
    page.keyboard.press("Enter")
    page.wait_for_selector("#overlay")
    names = []
    for _ in range(40):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    for wanted in ("file-rgb", "file-depth", "number-depth_units_per_metre", "run", "opacity", "curl", "snippet"):
        assert wanted in names, names
    page.focus("#snippets [aria-selected=true]")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#snippet").startswith("from crosswire.clients import Predictor")


def put(page: Any, field: str, data: bytes, name: str, kind: str) -> None:
    """Choose a file of one's own."""
    page.set_input_files(f"#file-{field}", files=[{"name": name, "mimeType": kind, "buffer": data}])


@contextlib.contextmanager
def answer_held(page: Any) -> Iterator[None]:
    """Press the button; the question does not leave before the block ends, and in the end its answer is there."""
    held: list[Any] = []
    asked = re.compile(r"/v1/pipelines/.*output=")
    page.route(asked, lambda route: held.append(route))
    with page.expect_request(asked):
        page.click("#run")
    yield
    with page.expect_response(asked) as answer:
        held.pop().continue_()
    answer.value.finished()
    page.unroute(asked)


@in_chromium
def test_an_answer_that_comes_late_is_not_shown_under_another_pipeline(browser: Any, small: Any) -> None:
    with opened_page(browser, small.http_url) as page:
        page.select_option("#pipeline", "rooms_absent_image")
        put(page, "depth", depth_png(), "depth.png", "image/png")
        with answer_held(page):
            page.select_option("#pipeline", "events_small_clip")
            assert page.get_attribute("#results", "aria-busy") == "false"
        page.wait_for_timeout(1000)
        assert page.is_hidden("#answer") and page.is_visible("#empty")


@in_chromium
def test_an_answer_lies_over_the_picture_that_was_sent_whatever_is_chosen_meanwhile(page: Any) -> None:
    def grey(value: int) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (64, 48), (value, value, value)).save(file, "PNG")
        return file.getvalue()

    put(page, "rgb", grey(100), "sent.png", "image/png")
    put(page, "depth", depth_png(), "depth.png", "image/png")
    with answer_held(page):
        put(page, "rgb", grey(200), "later.png", "image/png")
    page.wait_for_selector("#overlay")
    slide(page, 0)
    assert (pixels(page, "#overlay") == 100).all()


def run_snippet(page: Any, folder: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the page's Python in a folder that holds the files; return its result."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    page.click("#snippets button:has-text('Python')")
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(page.inner_text("#snippet"), names)
    return names["result"]


@in_chromium
def test_a_clip_shows_frames_spectrogram_and_probabilities(
    browser: Any, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_page(browser, small.http_url) as page:
        page.select_option("#pipeline", "events_small_clip")
        bell = clip()
        put(page, "clip", bell, "bell.mkv", "video/x-matroska")
        page.click("#run")
        page.wait_for_selector("#probabilities")
        said = page.inner_text("#probabilities")
        assert all(name in said for name in EVENTS) and "made from frames and waveform" in said
        assert pixels(page, "#strip").shape[1] == 960
        assert "-F clip=@bell.mkv" in page.inner_text("#snippet")
        ((name, share), *_) = run_snippet(page, tmp_path, {"bell.mkv": bell}, monkeypatch).top()
        assert name == said.splitlines()[1] and f"{share:.1%}".replace("%", " %") in said


@in_chromium
def test_a_translation_shows_what_was_sent_and_every_domain_that_came(
    browser: Any, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_page(browser, small.http_url) as page:
        page.select_option("#pipeline", "rooms_small_image")
        pictures = {"texture": png(), "shade": png(), "depth": depth_png()}
        for name, data in pictures.items():
            put(page, name, data, f"{name}.png", "image/png")
        page.click("#run")
        page.wait_for_selector("#answer .panel")
        titles = page.eval_on_selector_all("#answer .panel b", "all => all.map(one => one.textContent)")
        said = httpx.get(f"{small.http_url}/v1/pipelines/rooms_small_image", timeout=PATIENCE_SECONDS)
        offered = said.json()["outputs"]
        drawn = [one["output"] for one in offered if one["tensor"].endswith("_png")]
        assert titles == ["texture", "shade", "depth", *drawn]
        files = {f"{name}.png": data for name, data in pictures.items()}
        assert sorted(run_snippet(page, tmp_path, files, monkeypatch).images) == sorted(drawn)


@in_chromium
def test_a_network_that_can_do_without_a_picture_is_shown_without_it(
    browser: Any, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_page(browser, small.http_url) as page:
        page.select_option("#pipeline", "rooms_absent_image")
        put(page, "depth", depth_png(), "depth.png", "image/png")
        page.click("#run")
        page.wait_for_selector("#overlay")
        assert "made from depth" in page.inner_text("#legend")
        assert run_snippet(page, tmp_path, {"depth.png": depth_png()}, monkeypatch).streams == ("depth",)


def test_the_page_is_small_and_loads_from_here_alone(server: Any) -> None:
    files = StaticPage().files
    assert sum(map(len, files.values())) < LARGEST_PAGE
    for name in files:
        answer = httpx.get(f"{server.http_url}/page/{name}", timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200 and answer.content == files[name]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        if name.endswith((".js", ".css", ".html")):
            assert not re.search(r"https?://|src=.//", answer.text), f"{name} names another host"
    index = httpx.get(server.http_url, timeout=PATIENCE_SECONDS)
    assert index.headers["Content-Type"].startswith("text/html")
    again = httpx.get(server.http_url, headers={"If-None-Match": index.headers["ETag"]}, timeout=PATIENCE_SECONDS)
    assert (again.status_code, again.content) == (304, b"")
    for name in ("../app.py", "%2e%2e/app.py", "nothing.js", "samples"):
        gone = httpx.get(f"{server.http_url}/page/{name}", timeout=PATIENCE_SECONDS)
        assert gone.status_code == 404 and "error" in gone.json()
