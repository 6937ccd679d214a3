"""The report of a run: pictures that show something, a page whose links and numbers are right, and the record of γ."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crosswire.training.__main__ import main
from crosswire.training.engine.checkpoints import RunCheckpoints
from crosswire.training.engine.fit import fit
from crosswire.training.engine.gamma_log import GAMMAS, read_gammas
from crosswire.training.engine.run_folder import Run, RunError, read_run, write_config, write_weights
from crosswire.training.modalities import MODALITIES
from crosswire.training.models import exchanging_norms
from crosswire.training.report.build import write_report
from crosswire.training.report.decisions import paint, show
from crosswire.training.report.factors import proportions, short_names
from crosswire.training.report.features import channel_classes, normed_maps
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.evaluate import score
from crosswire.training.tasks.segmentation.network import build_network
from tests.unit.training.models.test_networks import tiny_network

PICTURES = {
    "decisions.png",
    "feature_maps.png",
    "exchanged_per_layer.png",
    "exchanged_over_steps.png",
    "gamma_trajectories.png",
    "gamma_proportions.png",
}


class Reader(HTMLParser):
    """Collects the links, table rows, headings and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links and the beginning of rows and cells."""
        self.links += [value for name, value in attrs if name in ("src", "href") and value]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._cell = tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a cell."""
        self._cell = False

    def handle_data(self, data: str) -> None:
        """Note texts."""
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data


def read_page(page: Path) -> Reader:
    """Read a page."""
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="module")
def reported(tiny: SegmentationConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a short run in which channels go under, scored and reported."""
    folder = tmp_path_factory.mktemp("runs") / "shown"
    config = dataclasses.replace(
        tiny,
        network=dataclasses.replace(tiny.network, gamma_low=0.0),
        data=dataclasses.replace(tiny.data, test_scenes=2),
        optimiser=dataclasses.replace(tiny.optimiser, gamma_lr=0.2, sparsity=0.1, clip=0.0),
    )
    fit(config, folder, progress=False)
    run = read_run(folder)
    score(run, progress=False)
    write_report(run)
    return run


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_every_picture_opens_and_is_not_blank(reported: Run, name: str) -> None:
    with Image.open(reported.folder / "report" / name) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) > 200
    assert len(np.unique(pixels.astype(np.int64) @ np.asarray([1, 256, 65536]))) > 50
    rows, columns = (np.flatnonzero((pixels < 250).any(2).any(axis)) for axis in (1, 0))
    assert rows[-1] - rows[0] > 0.8 * pixels.shape[0]
    assert columns[-1] - columns[0] > 0.8 * pixels.shape[1]


def test_the_page_links_to_every_picture_and_to_nothing_else(reported: Run) -> None:
    links = read_page(reported.folder / "report" / "index.html").links
    assert set(links) == PICTURES
    assert all((reported.folder / "report" / link).is_file() for link in links)


def test_the_numbers_on_the_page_are_those_of_the_metrics(reported: Run) -> None:
    page = read_page(reported.folder / "report" / "index.html")
    metrics = json.loads((reported.folder / "metrics.json").read_text(encoding="utf-8"))
    scores = metrics["scores"]
    assert set(scores) == {"ensemble", "rgb", "depth"}
    for name, values in scores.items():
        assert [name, *(f"{values[key]:.3f}" for key in ("mean_iou", "mean_accuracy", "pixel_accuracy"))] in page.rows
    for label in scores["ensemble"]["iou"]:
        values = [scores[name]["iou"][label] for name in scores]
        assert [label, *("–" if value is None else f"{value:.3f}" for value in values)] in page.rows
    assert f"Over all layers it is {metrics['exchanged_share']:.1%}." in page.text
    assert f"Scores on {metrics['scenes']} test frames" in page.text


def test_the_caption_counts_the_factors_that_went_under_and_came_back(reported: Run) -> None:
    log = read_gammas(reported.folder)
    assert log is not None
    layer = list(log.factors)[-1]
    theta = reported.config.network.threshold
    half = log.factors[layer].shape[2] // 2
    watched = np.abs(np.concatenate([log.factors[layer][:, 0, :half], log.factors[layer][:, 1, half:]], 1))
    under = (watched <= theta).any(0)
    back = under & (watched[-1] > theta)
    assert under.sum() > 0
    text = f"{under.sum()} of {watched.shape[1]} channels were at or below θ at some step; {back.sum()} of them ended"
    assert text in read_page(reported.folder / "report" / "index.html").text


def test_the_record_holds_every_step_of_a_short_run_from_its_beginning_to_its_end(reported: Run) -> None:
    log = read_gammas(reported.folder)
    assert log is not None
    assert log.steps.tolist() == list(range(reported.config.steps + 1))
    last = torch.load(reported.folder / "last.ckpt", weights_only=True)["state_dict"]
    assert list(log.factors) == list(exchanging_norms(reported.network))
    for layer, factors in log.factors.items():
        for stream in range(2):
            gamma = last[f"network.{layer}.norms.{stream}.weight"].numpy()
            np.testing.assert_array_equal(factors[-1, stream], gamma)
            assert log.exchanged[layer][-1, stream] <= (np.abs(gamma) <= reported.config.network.threshold).sum()


def test_a_run_that_was_stopped_and_resumed_has_the_record_of_one_that_was_not(
    reported: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Ends a run as a kill would."""

    write = RunCheckpoints.on_train_epoch_end
    calls: list[int] = []

    def once(self: RunCheckpoints, *arguments: object) -> None:
        calls.append(1)
        if len(calls) == 2:  # gammas.npz is already ahead of the checkpoint
            raise Killed
        write(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(RunCheckpoints, "on_train_epoch_end", once)
        fit(reported.config, tmp_path / "run", progress=False)
    ahead = read_gammas(tmp_path / "run")
    assert ahead is not None and ahead.steps[-1] == reported.config.steps
    fit(reported.config, tmp_path / "run", resume=True, progress=False)
    one, other = read_gammas(reported.folder), read_gammas(tmp_path / "run")
    assert one is not None and other is not None
    np.testing.assert_array_equal(one.steps, other.steps)
    for layer in one.factors:
        np.testing.assert_array_equal(one.factors[layer], other.factors[layer])
        np.testing.assert_array_equal(one.exchanged[layer], other.exchanged[layer])


def test_a_run_without_scores_and_record_is_scored_and_says_what_it_leaves_out(
    tiny: SegmentationConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = dataclasses.replace(tiny.network, streams=("rgb", "depth", "depth"))
    config = dataclasses.replace(tiny, network=network, data=dataclasses.replace(tiny.data, test_scenes=1))
    write_config(tmp_path, config)
    write_weights(tmp_path, build_network(config.network).state_dict())
    assert main(["report", str(tmp_path)]) == 0
    assert str(tmp_path / "report" / "index.html") in capsys.readouterr().out
    page = read_page(tmp_path / "report" / "index.html")
    assert set(page.links) == PICTURES - {"exchanged_over_steps.png", "gamma_trajectories.png"}
    assert "no record of it" in page.text
    assert "pixel accuracy" in page.text


def test_a_network_of_one_stream_is_reported_without_exchange(tiny: SegmentationConfig, tmp_path: Path) -> None:
    network = dataclasses.replace(tiny.network, streams=("depth",))
    config = dataclasses.replace(tiny, network=network, data=dataclasses.replace(tiny.data, test_scenes=1))
    write_config(tmp_path, config)
    write_weights(tmp_path, build_network(config.network).state_dict())
    page = read_page(write_report(read_run(tmp_path)))
    assert page.links == ["decisions.png"]
    assert "exchanges no channel" in page.text


def test_a_run_without_test_frames_shows_its_factors_alone(tiny: SegmentationConfig, tmp_path: Path) -> None:
    data = dataclasses.replace(tiny.data, name="none", classes=tuple("abcdefghijkl"))
    write_config(tmp_path, dataclasses.replace(tiny, data=data))
    write_weights(tmp_path, build_network(tiny.network).state_dict())
    page = read_page(write_report(read_run(tmp_path)))
    assert set(page.links) == {"exchanged_per_layer.png", "gamma_proportions.png"}
    assert "has no test frames" in page.text


def test_feature_maps_are_those_of_the_norms_before_the_exchange_and_hooks_are_taken_off() -> None:
    network = tiny_network("refinenet14", 2)
    x = [torch.randn(1, 3, 64, 80), torch.randn(1, 1, 64, 80)]
    layer, norm = next(iter(exchanging_norms(network).items()))
    for gamma in norm.gammas:
        gamma.data[:] = 0.0
    maps = normed_maps(network, x, [layer])[layer]
    assert [tuple(m.shape) for m in maps] == [(norm.channels, 16, 20)] * 2
    for stream, values in enumerate(maps):
        beta = norm.norms[stream].bias.detach().view(-1, 1, 1)
        torch.testing.assert_close(values, beta.expand_as(values))
    assert not any(private._forward_hooks for private in norm.norms)


def test_channels_fall_into_classes_by_who_gives_them_away() -> None:
    config = NetworkConfig(name="refinenet14", width=4, classes=3, features=8, restrict=False)
    norm = next(iter(exchanging_norms(build_network(config)).values()))
    for gamma, values in zip(norm.gammas, ([0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]), strict=True):
        gamma.data = torch.tensor(values)
    classes = {kind.title: kind.channels.tolist() for kind in channel_classes(norm, ("rgb", "depth"))}
    assert classes == {
        "γ rgb ≈ 0, γ depth > 0": [True, False, False, False],
        "γ depth ≈ 0, γ rgb > 0": [False, True, False, False],
        "γ rgb > 0, γ depth > 0": [False, False, False, True],
    }
    np.testing.assert_allclose(proportions(norm), [[0, 1, 0.5, 0.5], [1, 0, 0.5, 0.5]])


def test_layer_names_lose_what_they_share_at_the_end() -> None:
    assert short_names(["encoder.layer1.0.bn2", "encoder.layer2.1.bn2"]) == ["layer1.0", "layer2.1"]
    assert short_names(["encoder.stages.0.bn1", "encoder.stages.0.bn2"]) == ["stages.0.bn1", "stages.0.bn2"]
    assert short_names(["encoder.layer1.0.bn2"]) == ["layer1.0.bn2"]


def test_depth_is_shown_near_bright_and_holes_grey_and_unknown_labels_black() -> None:
    depth = np.linspace(1, 5, 100, dtype=np.float32).reshape(10, 10)
    depth[3, 3] = 0
    shown = show(MODALITIES["depth"], depth).astype(int)
    assert shown[0, 0].sum() > shown[-1, -1].sum()
    assert shown[3, 3].tolist() == [120, 126, 132]
    assert show(MODALITIES["depth"], np.zeros((4, 5), np.float32)).tolist() == [[[120, 126, 132]] * 5] * 4
    painted = paint(np.asarray([[0, 1, 255]]), ((1, 2, 3), (4, 5, 6)))
    assert painted.tolist() == [[[1, 2, 3], [4, 5, 6], [0, 0, 0]]]


def test_a_damaged_record_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / GAMMAS).write_bytes(b"not an archive")
    with pytest.raises(RunError, match=r"gammas\.npz cannot be read"):
        read_gammas(tmp_path)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "is no run folder" in capsys.readouterr().err
    assert not (tmp_path / GAMMAS).exists()
