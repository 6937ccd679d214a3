"""Semantic segmentation as an image: classes in colours come in and go out, and are told by the nearest colour."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crosswire.media.palettes import spread_palette
from crosswire.training.config import ConfigError
from crosswire.training.datasets.rooms import CLASSES, render
from crosswire.training.datasets.taskonomy.check import survey
from crosswire.training.datasets.taskonomy.classes import CLASSES as TASKONOMY_CLASSES
from crosswire.training.datasets.taskonomy.images import place, read_image
from crosswire.training.datasets.taskonomy.write import write_taskonomy
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.translation.config import TranslatorConfig
from crosswire.training.tasks.translation.data import train_transform
from crosswire.training.tasks.translation.domains import codec, painted
from crosswire.training.tasks.translation.images import RoomImages, images, label_names
from crosswire.training.tasks.translation.metrics import ImageMetrics
from crosswire.training.tasks.translation.network import ImageMix
from tests.integration.training.tasks.test_translation_training import TINY, TRANSLATIONS

NETWORK = TranslatorConfig(inputs=("rgb",), outputs=("semseg",), classes=len(CLASSES))


def test_the_rows_of_the_paper_that_have_semseg_are_presets_with_taskonomys_classes() -> None:
    found = {name: config for name, config in TRANSLATIONS.items() if config.network.paints_classes}
    paper = {name.removeprefix("taskonomy-") for name in found if name.startswith("taskonomy-")}
    assert {
        *(f"cycle-depth-semseg{ending}" for ending in ("", "-compact", "-random", "-independent")),
        *(f"multitask-rgb-semseg{ending}" for ending in ("", "-hard", "-individual")),
        *(f"both-rgb-depth-semseg{ending}" for ending in ("", "-encoder", "-decoder", "-none")),
    } <= paper
    assert {config.network.classes for name, config in found.items() if name.startswith("taskonomy-")} == {18}
    independent = TRANSLATIONS["taskonomy-cycle-depth-semseg-independent"].network
    assert independent.cycle and independent.encoders == independent.decoders == (0, 1, 2)


def test_a_colour_that_is_nearly_one_of_a_class_becomes_that_class() -> None:
    code = codec("semseg", NETWORK)
    raw = painted(render(3, 1, 32, 48).labels)
    coded = code.encode(raw)
    np.testing.assert_array_equal(code.decode(coded), raw)
    noisy = coded + np.random.default_rng(0).uniform(-0.2, 0.2, coded.shape).astype(np.float32)
    np.testing.assert_array_equal(code.decode(noisy), raw)
    palette = np.array(spread_palette(len(CLASSES)))
    anything = np.random.default_rng(1).uniform(-1, 1, (3, 8, 9)).astype(np.float32)
    distances = np.square((anything.transpose(1, 2, 0) + 1)[:, :, None] * 127.5 - palette).sum(3)
    np.testing.assert_array_equal(code.decode(anything), palette[distances.argmin(2)])


def test_it_is_scored_as_an_image_and_as_the_classes_that_are_served() -> None:
    code, metrics = codec("semseg", NETWORK), ImageMetrics(NETWORK)
    truth = torch.from_numpy(code.encode(painted(np.repeat([[2, 5]], 4, 0))))[None]
    made = truth.clone()
    made[:, :, 0] = truth[:, :, 0].flip(2)  # a quarter of the picture has the other class's colour
    metrics.update(ImageMix(made, made), truth)
    found = metrics.compute()["semseg"]
    assert found["mae"] == pytest.approx(float((made - truth).abs().mean()))
    assert found["rmse"] == pytest.approx(float((made - truth).square().mean()) ** 0.5)
    assert found["pixel_accuracy"] == 0.75 and found["mean_iou"] == pytest.approx(0.6)
    assert set(found) == {"mae", "mse", "rmse", "mean_iou", "mean_accuracy", "pixel_accuracy"}


def test_rooms_paint_their_labels_and_no_colour_is_blended_when_a_view_is_resized() -> None:
    source = RoomImages(dataclasses.replace(NETWORK, inputs=("semseg", "rgb"), outputs=("depth",)), 1, 1, (36, 54))
    view = source[0]
    np.testing.assert_array_equal(view["semseg"], painted(render(1, 0, 36, 54).labels))
    config = override(preset("rooms-multitask-semseg"), [*TINY, "data.resize=1.3"]).data
    changed = train_transform(config, 0)(view, 3)["semseg"]
    assert changed.shape == (32, 48, 3)
    colours = {tuple(colour) for colour in changed.reshape(-1, 3).tolist()}
    assert len(colours) > 2 and colours <= {tuple(colour) for colour in view["semseg"].reshape(-1, 3).tolist()}


def test_taskonomy_stores_class_indices_in_files_of_their_own_ending(tmp_path: Path) -> None:
    write_taskonomy(3, 3, (32, 48), tmp_path)
    file = place(tmp_path, "point_2_view_0", "semseg")
    assert file == tmp_path / "segment_semantic" / "point_2_view_0_domain_segmentsemantic.png"
    labels = render(3, 2, 32, 48).labels
    with Image.open(file) as stored:
        np.testing.assert_array_equal(np.asarray(stored), labels)
    config = override(TRANSLATIONS["taskonomy-multitask-rgb-semseg"], [f"data.path={tmp_path}"])
    (view,) = (images(config.data, config.network, "val")[i] for i in range(1))
    np.testing.assert_array_equal(view["true semseg"], painted(labels))
    assert label_names(config.data, config.network) == (TASKONOMY_CLASSES, spread_palette(18))
    with pytest.raises(ConfigError, match=r"taskonomy has 18 classes; set network\.classes=18"):
        images(config.data, dataclasses.replace(config.network, classes=12), "val")
    palette = Image.fromarray(labels, "L")
    palette.putpalette([17] * 768)
    palette.save(file)
    np.testing.assert_array_equal(read_image(file, "semseg"), painted(labels))
    Image.fromarray(np.full((32, 48), 18, np.uint8)).save(file)
    found = survey(tmp_path, tmp_path)
    ((index,),) = ([i for i, view in enumerate(found.frames.views) if view == "point_2_view_0"],)  # type: ignore[attr-defined]
    (problem,) = found.frames.problems(index)
    assert "has class 18, allowed are 0 to 17" in str(problem)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 0}, "network.classes is 0; .* as with semseg among inputs or outputs"),
        ({"outputs": ("rgb",), "inputs": ("depth",)}, "network.classes is 12; .* else 0"),
        ({"outputs": ("semseg", "labels")}, "two answers to one question"),
    ],
)
def test_a_network_whose_classes_make_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(NETWORK, **changes)  # type: ignore[arg-type]
