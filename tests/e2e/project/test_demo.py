"""The demo on the real server: its report, its pictures, its score; and what the README shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosswire.serving.processes.embedded import EmbeddedServer
from demo import __main__ as demo
from demo import train as demo_train
from demo.others import ASKED, NETWORKS
from demo.scenes import ROOT, foreign_scenes, rooms
from tests.support.servers.real import REPOSITORY

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that one run of the demo has written."""
    folder = tmp_path_factory.mktemp("demo")
    assert demo.main(["--repository", str(REPOSITORY), "--out", str(folder)]) == 0
    return folder


def size(path: str | Path) -> tuple[int, int]:
    """Return width and height of a picture file."""
    with Image.open(path) as picture:
        return picture.size


def test_the_report_holds_one_entry_per_scene(out: Path) -> None:
    requests = json.loads((out / "report.json").read_text())["requests"]
    assert len(requests) == len(rooms()) + len(foreign_scenes()) == 10
    for entry in requests:
        assert set(entry) == {"pipeline", "input", "p50_ms", "overlay", "labels", "mean_iou"}
        assert entry["pipeline"] == "rooms_cen_image" and entry["p50_ms"] > 0
        assert (ROOT / entry["input"]).is_file() and Path(entry["overlay"]).is_file()
        assert size(entry["labels"]) == size(entry["overlay"]) == size(ROOT / entry["input"])
        assert (entry["mean_iou"] is None) == ("demo/real" in entry["input"])


def test_a_real_clip_and_the_other_networks_are_in_the_report_and_on_the_sheet(out: Path) -> None:
    others = json.loads((out / "report.json").read_text())["others"]
    served = {f"{name}_{kind}" for name in NETWORKS for kind in ("clip", "image") if (REPOSITORY / name).is_dir()}
    assert {entry["pipeline"] for entry in others} == {name for name in served if name in ASKED}
    clip = next(entry for entry in others if entry["pipeline"] == "events_gmf_clip")
    assert clip["modalities"] == ["frames", "waveform"] and size(clip["files"]["strip"])[0] == 960
    for entry in others:
        assert (ROOT / entry["input"]).is_file() and entry["ms"] > 0
        assert all(Path(file).is_file() for file in entry["files"].values())


def test_the_rooms_are_segmented_well(out: Path) -> None:
    scores = [e["mean_iou"] for e in json.loads((out / "report.json").read_text())["requests"] if e["mean_iou"]]
    assert len(scores) == 8 and float(np.mean(scores)) >= 0.5


def test_the_pooled_score_reaches_what_the_contract_promises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.run(REPOSITORY, tmp_path) >= 0.60
    printed = capsys.readouterr().out
    assert "out of the training domain" in printed and "make serve" in printed


def test_the_contact_sheet_shows_something(out: Path) -> None:
    sheet = np.asarray(Image.open(out / "contact_sheet.png").convert("RGB"))
    assert sheet.shape[0] > 1000 and sheet.std() > 20


def test_a_repository_without_networks_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--repository", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def _metrics(fused: float, rgb: float, depth: float, share: float) -> dict[str, dict[str, object]]:
    """Return what three trainings would have reported."""
    names = (demo_train.FUSED, *demo_train.ALONE)
    return {
        name: {"scores": {"ensemble": {"mean_iou": score}}, "exchanged_share": share}
        for name, score in zip(names, (fused, rgb, depth), strict=True)
    }


@pytest.mark.parametrize(
    ("figures", "kept"),
    [
        ((0.60, 0.50, 0.55, 0.3), [True, True, True]),
        ((0.60, 0.58, 0.55, 0.3), [True, False, True]),
        ((0.60, 0.50, 0.59, 0.3), [True, True, False]),
        ((0.60, 0.50, 0.50, 0.9), [False, True, True]),
    ],
)
def test_demo_train_says_which_promises_were_kept(figures: tuple[float, ...], kept: list[bool]) -> None:
    assert list(demo_train.check(_metrics(*figures)).values()) == kept


def test_the_python_of_the_readme_runs(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.S)
    (tmp_path / "demo").symlink_to(ROOT / "demo")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet.replace("grpc://127.0.0.1:8001", server.grpc_url), "README.md", "exec"), {})
    assert "(256, 320)" in capsys.readouterr().out
    assert size(tmp_path / "overlay.png") == (320, 256)


def test_the_readme_names_only_files_that_exist() -> None:
    names = re.findall(r"(?:demo|docs|deploy|model_repository|tests|benchmarks)/[\w./-]*\w", README)
    made = ("demo/out",)
    assert [n for n in names if not n.startswith(made) and not (ROOT / n).exists()] == []
