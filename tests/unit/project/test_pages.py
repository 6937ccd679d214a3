"""`docs/results.md` and the table of `docs/claims.md` are built from the results, and say what those say."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks._record import RESULTS, keep
from benchmarks.pages.__main__ import CLAIMS, PAGE, with_claims
from benchmarks.pages.results import latest, page, short
from benchmarks.pages.trend import draw, missing, series


def test_the_results_page_is_what_the_files_say_byte_for_byte() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(RESULTS), "build it again: python -m benchmarks.pages"


def test_the_table_of_claims_is_what_the_files_say() -> None:
    text = CLAIMS.read_text(encoding="utf-8")
    assert with_claims(text, short(RESULTS)) == text, "build it again: python -m benchmarks.pages"


def test_every_file_names_its_date_and_command() -> None:
    files = sorted(RESULTS.glob("*.json"))
    assert files
    for path in files:
        record = json.loads(path.read_text(encoding="utf-8"))
        assert path.name.startswith(record["date"]) and record["command"].startswith("python -m ")


def test_the_newest_measurement_is_shown_and_all_are_in_the_trend(tmp_path: Path) -> None:
    keep("training_step", {"plain_over_stacked": 1.5}, results=tmp_path)
    newest = next(tmp_path.glob("*.json"))
    older = json.loads(newest.read_text()) | {"date": "2020-01-01", "plain_over_stacked": 1.1}
    (tmp_path / "2020-01-01-training_step.json").write_text(json.dumps(older))
    assert latest(tmp_path)["training_step"]["plain_over_stacked"] == 1.5
    text = page(tmp_path)
    assert "| plain_over_stacked | 1.5 |" in text and "| plain_over_stacked | 1.1 |" not in text
    assert [value for _, value in series(tmp_path)["training_step: plain_over_stacked"]] == [1.1, 1.5]
    draw(tmp_path, tmp_path / "trend.png")
    assert (tmp_path / "trend.png").stat().st_size > 1000


def test_what_was_not_run_on_a_gpu_says_so_until_there_is_a_result(tmp_path: Path) -> None:
    assert page(tmp_path).count("Not run on hardware") == 4
    assert missing(tmp_path).endswith("not run on hardware: gpu_train, gpu_frozen, gpu_tensorrt, gpu_served")
    figures = {"networks": {"gmf": {"bf16_over_fp32": 3.5}}}
    keep("gpu_train", figures, again="python -m benchmarks.gpu --parts train", gpu="a GPU", results=tmp_path)
    assert page(tmp_path).count("Not run on hardware") == 3 and "a GPU" in page(tmp_path)
    assert missing(tmp_path).endswith("not run on hardware: gpu_frozen, gpu_tensorrt, gpu_served")
    assert [value for _, value in series(tmp_path)["gpu_train: networks.gmf.bf16_over_fp32"]] == [3.5]
