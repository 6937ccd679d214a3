"""Networks with the real weights that packages ship: one adopted and served, the others refused by name: `make soak`.

rapidocr_onnxruntime 1.4.4 has the text detection of PP-OCRv4, a segmentation with one sigmoid map, and a classifier and
a reader of lines; silero_vad 6.2.3 has networks that carry a state from one call to the next. Both are unpacked into a
temporary folder without what they need, and none of their code is run. The pages of text are rendered here, so that it
is known where their lines are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw, ImageFont

from crosswire.__main__ import main
from crosswire.clients import Predictor
from crosswire.contract import Contract
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.environments import beside

PACKAGES = ("rapidocr_onnxruntime==1.4.4", "silero_vad==6.2.3")
MODELS = "rapidocr_onnxruntime/models"
SIZE, PAGES = (480, 640), 3
WORDS = (
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dog",
    "while",
    "seven",
    "wizards",
    "brew",
    "cider",
    "at noon",
)
Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked packages."""
    return beside(tmp_path_factory.mktemp("packages"), *PACKAGES)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of text on colours that change slowly, as rgb/, with labels/: 1 in the middle of every line."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("rgb", "labels"):
        (folder / name).mkdir()
    for number in range(PAGES):
        generator = np.random.default_rng(number)
        ground = Image.fromarray(generator.integers(120, 256, (4, 5, 3), np.uint8))
        page, truth = ground.resize(SIZE[::-1], Image.Resampling.BICUBIC), Image.new("L", SIZE[::-1])
        top = 20
        while top < SIZE[0] - 60:
            top = _line(page, truth, top, generator)
        page.save(folder / f"rgb/{number}.png")
        truth.save(folder / f"labels/{number}.png")
    return folder


@pytest.fixture(scope="module")
def adopted(packages: Path, pages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the text detection."""
    to = tmp_path_factory.mktemp("repository")
    assert adopt(packages, pages, to) == 0
    return to


@pytest.fixture(scope="module")
def server(adopted: Path) -> Iterator[EmbeddedServer]:
    """A server of it."""
    with EmbeddedServer(adopted) as running:
        yield running


def adopt(packages: Path, pages: Path, to: Path, *words: str, name: str = "text") -> int:
    """Adopt the text detection by its preset, with the pages as samples and as labelled data."""
    graph = str(packages / MODELS / "ch_PP-OCRv4_det_infer.onnx")
    size = f"{SIZE[0]}x{SIZE[1]}"
    rest = ["--samples", str(pages), "--evaluate", str(pages), "--max-batch", "2", "--name", name, "--to", str(to)]
    return main(["adopt", graph, "--preset", "pp-ocr-detection", "--size", size, *rest, *words])


def _line(page: Image.Image, truth: Image.Image, top: int, generator: np.random.Generator) -> int:
    """Write a line of text and mark its middle; returns where the next one begins."""
    font = ImageFont.load_default(int(generator.integers(18, 40)))
    text = " ".join(generator.choice(WORDS, int(generator.integers(2, 6))))
    left, draw = int(generator.integers(10, 80)), ImageDraw.Draw(page)
    while (box := draw.textbbox((left, top), text, font))[2] > SIZE[1] - 10:
        text = text.rpartition(" ")[0]
    draw.text((left, top), text, tuple(int(one) for one in generator.integers(0, 90, 3)), font)
    height = box[3] - box[1]
    middle = (box[0] + 0.25 * height, box[1] + 0.25 * height, box[2] - 0.25 * height, box[3] - 0.25 * height)
    ImageDraw.Draw(truth).rectangle(middle, fill=1)
    return int(box[3]) + int(generator.integers(14, 40))


def test_served_labels_are_those_of_the_network_as_its_package_calls_it(
    server: EmbeddedServer, packages: Path, pages: Path, adopted: Path
) -> None:
    session = onnxruntime.InferenceSession(packages / MODELS / "ch_PP-OCRv4_det_infer.onnx")
    with Predictor(server.grpc_url) as predictor:
        for path in sorted((pages / "rgb").glob("*.png")):
            rgb = np.asarray(Image.open(path))
            given = ((rgb[..., ::-1] / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None].astype(np.float32)
            expected = session.run(None, {"x": given})[0][0, 0] > 0.3
            found = predictor.segment(rgb, pipeline="text_image").labels
            assert (found == expected).mean() >= 0.999 and 0.02 < expected.mean() < 0.5
    contract = Contract.load(adopted / "text")
    scores = {one.metric: (one.live, one.served) for one in contract.evaluation}
    print(scores)
    assert scores["mean_iou"][1] > 0.6
    assert scores["mean_iou"][0] == pytest.approx(scores["mean_iou"][1], abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("rgb.scale=1.0", ["suspicion: 'x' (rgb) has mean", "suspicion: with rgb.scale 1/255, mean and std of 0.5"]),
        ("rgb.mean=[127.5]", ["suspicion: 'x' (rgb) has mean", "suspicion: with rgb.scale 1/255, mean and std of 0.5"]),
        ("rgb.channel_order=RGB", ["not known: labels do not tell rgb.channel_order BGR"]),
        ("rgb.mean=[0.0]", ["not known: labels do not tell rgb.scale 1/255, mean and std of 0.5"]),
    ],
    ids=["scale", "mean", "order", "small-mean"],
)
def test_a_wrong_description_is_found_or_named_as_what_labels_do_not_tell(
    packages: Path, pages: Path, tmp_path: Path, wrong: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert adopt(packages, pages, tmp_path, "--set", wrong) == 0
    told = capsys.readouterr().err.splitlines()
    print("\n".join(told))
    for one in words:
        assert any(line.startswith(one) for line in told), (one, told)


def test_a_right_description_is_not_doubted(
    packages: Path, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adopt(packages, pages, tmp_path) == 0
    told = capsys.readouterr().err.splitlines()
    assert not [line for line in told if line.startswith("suspicion")]
    assert [line for line in told if line.startswith("labels speak against rgb.scale 1 and no mean")]


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ("silero_vad/data/silero_vad.onnx", ["input state FLOAT", "state from one call to the next"]),
        ("silero_vad/data/silero_vad_16k_sequence.onnx", ["input h FLOAT", "state from one call to the next"]),
        (f"{MODELS}/ch_ppocr_mobile_v2.0_cls_infer.onnx", ["save_infer_model/scale_0.tmp_1", "[1, 2]"]),
        (f"{MODELS}/ch_PP-OCRv4_rec_infer.onnx", ["softmax_11.tmp_0", "6625"]),
    ],
    ids=["state", "state-of-two", "classifier", "reader"],
)
def test_what_is_no_segmentation_is_refused_by_name(
    packages: Path, tmp_path: Path, graph: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--task", "segmentation", "--set", "rgb.scale=0.5", "--size", "48x192", "--name", "a", "--to"]
    assert main(["adopt", str(packages / graph), *rest, str(tmp_path / "to")]) == 2
    said = capsys.readouterr().err
    print(said)
    assert all(one in said for one in words), said
    assert not (tmp_path / "to/a").exists()
