"""The page of a server of networks that somebody else made: it shows them like our own."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from crosswire.export.adopt.prepare import Prepared
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.e2e.networks.test_adopted import adopting as adopting
from tests.e2e.networks.test_adopted import expected, frame
from tests.e2e.networks.test_adopted import ready as ready
from tests.support.page.browser import in_chromium, opened_page, pixels, slide


def encoded(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """Return a PNG file."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


@in_chromium
def test_an_adopted_network_is_shown_with_its_classes_and_colours(
    browser: Any,
    adopting: EmbeddedServer,
    ready: dict[str, Prepared],
) -> None:
    rgb, depth = frame()
    files = {"rgb": encoded(rgb), "depth": encoded(depth)}
    with opened_page(browser, adopting.http_url) as page:
        for name, taken in (("both", ("rgb", "depth")), ("alone", ("rgb",))):
            page.select_option("#pipeline", f"{name}_image")
            page.wait_for_selector("#file-rgb", state="attached")
            for field in taken:
                sent = {"name": f"{field}.png", "mimeType": "image/png", "buffer": files[field]}
                page.set_input_files(f"#file-{field}", files=[sent])
            assert page.is_hidden("#file-depth") == (len(taken) == 1)
            page.click("#run")
            page.wait_for_selector("#overlay")
            page.wait_for_selector("#results[aria-busy=false]")
            slide(page, 100)
            answer, labels = ready[name].answer, expected(ready[name], rgb, depth)
            colours = np.asarray(answer.palette, np.uint8)
            assert (pixels(page, "#overlay") == colours[labels]).all(axis=2).mean() >= 0.999
            legend = page.eval_on_selector_all(
                "#legend button", "all => all.map(one => one.querySelector('span').textContent)"
            )
            assert set(legend) == {answer.classes[place] for place in np.unique(labels)}
