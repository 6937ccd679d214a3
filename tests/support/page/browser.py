"""The page in a real Chromium, and small ways to look at it; `tests/e2e/gateway/page` offers the fixture `browser`."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.support.needs import PROGRAMS

CHROMIUM = PROGRAMS["chromium"].path
SWITCHES = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
in_chromium = pytest.mark.needs("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests of a module: while it runs, no other event loop does."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield running
        running.close()


@contextlib.contextmanager
def opened_page(browser: Any, url: str) -> Iterator[Any]:
    """The page, loaded; at the end, nothing was complained about and nobody else was asked."""
    complaints: list[str] = []
    strangers: list[str] = []
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(120_000)
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda sent: None if sent.url.startswith((url, "blob:")) else strangers.append(sent.url))
    opened.goto(url)
    opened.wait_for_selector("#pipeline option", state="attached")
    yield opened
    opened.close()
    refused = "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    assert [text for text in complaints if text != refused] == []
    assert strangers == []


def pixels(page: Any, canvas: str) -> np.ndarray[Any, Any]:
    """Return what a canvas shows, uint8 [H, W, 3]."""
    url = page.eval_on_selector(canvas, "canvas => canvas.toDataURL('image/png')")
    data = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def slide(page: Any, opacity: int) -> None:
    """Move the slider of opacity as a hand would."""
    page.eval_on_selector(
        "#opacity", "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')) }", opacity
    )
