"""Contracts that state how images hold depth, and how label images number classes, through the real server."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from crosswire.clients import Predictor
from crosswire.clients.__main__ import main
from crosswire.contract import Geometry
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.page.browser import browser, in_chromium, opened_page, pixels, slide  # noqa: F401
from tests.support.servers.real import png
from tests.support.training.small_networks import HEIGHT, WIDTH, write_segmentation

UNITS = 500.0
VALUES = (7, 255, 17, 0)  # of the classes near, far, by colour, by depth


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of networks that say `far` beyond 2: of depth with 500 steps a metre, of disparity, and of neither."""
    folder = tmp_path_factory.mktemp("repository")
    write_segmentation(folder, "plain")
    for name, geometry, reach in (
        ("metres", Geometry("depth", UNITS), (0.0, 10.0)),
        ("disparity", Geometry("disparity", UNITS), None),
    ):
        contract = write_segmentation(folder, name)
        rgb, depth = contract.inputs
        depth = dataclasses.replace(depth, geometry=geometry, unit=geometry.unit, valid_range=reach)
        dataclasses.replace(contract, inputs=(rgb, depth), label_values=VALUES).save(folder / name)
    with EmbeddedServer(folder) as running:
        yield running


def pair(value: int) -> dict[str, bytes]:
    """Return a colour image, and one of 16 bits whose left half is a value, its right half 600."""
    depth = np.full((HEIGHT, WIDTH), 600, np.uint16)
    depth[:, : WIDTH // 2] = value
    file = io.BytesIO()
    Image.fromarray(depth).save(file, "PNG")
    return {"rgb": png(WIDTH, HEIGHT), "depth": file.getvalue()}


def left_of(
    served: EmbeddedServer, network: str, value: int, units: float | None = None
) -> tuple[str, tuple[str, ...]]:
    """Return what the left half is labelled as, and the warnings."""
    with Predictor(served.grpc_url) as predictor:
        images = pair(value)
        found = predictor.segment(
            images["rgb"], images["depth"], depth_units_per_metre=units, pipeline=f"{network}_image"
        )
    return found.class_names[found.labels[0, 0]], found.warnings


def test_a_request_that_says_no_unit_is_read_in_the_training_datas(served: EmbeddedServer) -> None:
    assert left_of(served, "metres", 1200) == ("far", ())
    assert left_of(served, "metres", 1200, 500) == ("far", ())
    assert left_of(served, "metres", 1200, 1000) == ("near", ())
    assert left_of(served, "plain", 1200) == ("near", ()), "millimetres, where nobody says another unit"


def test_disparity_is_read_without_doubts_about_metres(served: EmbeddedServer) -> None:
    assert left_of(served, "disparity", 65535) == ("far", ())
    label, warnings = left_of(served, "metres", 65535)
    assert label == "near" and warnings[0].startswith("depth_saturated"), "of depth 65535 is no reading"


@pytest.mark.parametrize(("network", "values"), [("metres", VALUES), ("plain", (0, 1, 2, 3))])
def test_labels_come_in_the_numbers_of_the_training_data(
    served: EmbeddedServer, network: str, values: tuple[int, ...]
) -> None:
    url = f"{served.http_url}/v1/pipelines/{network}_image?output=labels"
    sent = pair(3000)
    answer = httpx.post(url, files=sent, headers={"Accept": "image/png"}, timeout=60)
    with Predictor(served.grpc_url) as predictor:
        found = predictor.segment(sent["rgb"], sent["depth"], pipeline=f"{network}_image")
    assert found.labels[0, [0, -1]].tolist() == [1, 0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), np.asarray(values)[found.labels])
    told = {one["index"]: one.get("value") for one in found.summary["classes"]}
    assert told == ({0: values[0], 1: values[1]} if network == "metres" else {0: None, 1: None})


def test_pipelines_say_how_they_read_and_number(served: EmbeddedServer) -> None:
    offered: dict[str, Any] = {
        one["name"]: one for one in httpx.get(f"{served.http_url}/v1/pipelines", timeout=60).json()["pipelines"]
    }
    told = {name.removesuffix("_image"): one["geometry"] for name, one in offered.items()}
    assert {name: (one["quantity"], one["scale"], one["unit"]) for name, one in told.items()} == {
        "plain": ("depth", 1000.0, "metre"),
        "metres": ("depth", UNITS, "metre"),
        "disparity": ("disparity", UNITS, "unit of disparity"),
    }
    assert [offered[f"{name}_image"]["label_values"] for name in ("plain", "metres")] == [[], list(VALUES)]
    assert "per unit of disparity; 500 if left out" in json.dumps(offered["disparity_image"]["inputs"])


def test_batch_and_predict_say_in_which_unit_depth_was_read_and_who_says_so(
    served: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, data in pair(1200).items():
        (tmp_path / "frames" / kind).mkdir(parents=True)
        (tmp_path / "frames" / kind / "a.png").write_bytes(data)

    def said(command: str, network: str, *options: str) -> str:
        files = [str(tmp_path / "frames")] if command == "batch" else []
        if command == "predict":
            files = [str(tmp_path / "frames" / kind / "a.png") for kind in ("rgb", "depth")]
        where = [str(tmp_path / f"{network}{len(options)}")] if command == "batch" else ["--out", str(tmp_path)]
        words = [command, *files, *where, "--pipeline", f"{network}_image", "--url", served.grpc_url, *options]
        assert main(words) == 0
        return capsys.readouterr().out

    assert "count 500 per metre, as in the data that the network was trained on" in said("batch", "metres")
    assert "count 500 per unit of disparity, as in the data" in said("predict", "disparity")
    assert "count 250 per metre, as given" in said("batch", "metres", "--depth-units-per-metre", "250")
    (tmp_path / "frames/manifest.json").write_text('{"depth_units_per_metre": 123}')
    assert f"count 123 per metre, as {tmp_path}/frames/manifest.json says" in said("batch", "plain")
    (tmp_path / "frames/manifest.json").unlink()
    assert "count 1000 per metre, the usual unit, as nobody says another" in said("predict", "plain")
    labels = np.asarray(Image.open(tmp_path / "metres0/labels/a.png"))
    assert set(np.unique(labels)) == {VALUES[0], VALUES[1]}, "written in the numbers of the training data"


@in_chromium
def test_the_page_shows_disparity_in_its_own_words_and_labels_in_their_colours(
    browser: Any,  # noqa: F811
    served: EmbeddedServer,
) -> None:
    sent = pair(3600)
    with opened_page(browser, served.http_url) as page:
        page.select_option("#pipeline", "disparity_image")
        assert page.get_attribute("#number-depth_units_per_metre", "placeholder") == "500"
        for name, data in sent.items():
            file = {"name": f"{name}.png", "mimeType": "image/png", "buffer": data}
            page.set_input_files(f"#file-{name}", files=[file])
        page.click("#run")
        page.wait_for_selector("#overlay")
        words = page.inner_text("figure:has(#depth) figcaption")
        slide(page, 100)
        shown, disparity = pixels(page, "#overlay"), pixels(page, "#depth")
    assert "Disparity" in words and "1.20 to 7.20, holes black" in words
    with Predictor(served.grpc_url) as predictor:
        colours = predictor.pipeline("disparity_image").palette
    assert np.array_equal(shown[0, 0], colours[1]) and np.array_equal(shown[0, -1], colours[0])
    assert disparity[0, 0].sum() > disparity[0, -1].sum(), "the larger is the nearer, and lighter"
