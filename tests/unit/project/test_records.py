"""What benchmarks and studies leave behind: whole files, with the command that measures the same again and one date."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks._record import command, keep
from crosswire.contract.atomic_write import atomic_path, write_json
from crosswire.training.models import PrivateNorm2d
from crosswire.training.models.exchange import ChannelExchange
from crosswire.training.report.exchanged import exchanged_shares
from research.__main__ import main
from research.study.runner import Unfinished


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "record.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError, match="stopped"), atomic_path(path) as temporary:
        temporary.write_text("half of")
        raise RuntimeError("stopped")
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert [one.name for one in path.parent.iterdir()] == ["record.json"]


def test_a_benchmark_keeps_the_command_with_all_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace(name="benchmarks.serving"))
    monkeypatch.setattr(sys, "argv", ["/somewhere/serving.py", "--network", "my network", "--rounds", "3"])
    keep("serving", {"ratio": 1.0}, results=tmp_path)
    (path,) = tmp_path.iterdir()
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["command"] == "python -m benchmarks.serving --network 'my network' --rounds 3"
    assert path.name == f"{record['date']}-serving.json" and json.loads(capsys.readouterr().out) == record
    assert record["hardware"]["cpu"] and record["hardware"]["cores"] > 0
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace(name="benchmarks.gpu.__main__"))
    assert command().startswith("python -m benchmarks.gpu --network")


def test_a_study_names_its_file_by_the_date_that_stands_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("research.study.runner.run_study", lambda *_, **__: None)
    monkeypatch.setattr("research.study.record.as_text", lambda *_: "")
    monkeypatch.setattr("research.study.record.as_json", lambda *given: {"date": "2001-02-03", "command": given[-1]})
    monkeypatch.setattr("research.study.record.draw", lambda *_: None)
    arguments = ["study", "exchange", "--device", "cpu", "--results", str(tmp_path)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert main(arguments) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["2001-02-03-study_exchange_cpu.json"]
    (path,) = tmp_path.iterdir()
    kept = json.loads(path.read_text(encoding="utf-8"))["command"]
    assert kept == "python -m research study exchange --size cpu --seeds 3 --device cpu"

    def late(*_: Any, **__: Any) -> None:
        raise Unfinished

    monkeypatch.setattr("research.study.runner.run_study", late)
    assert main([*arguments, "--runs", str(tmp_path / "my runs")]) == 0
    assert f"next: {kept} --runs '{tmp_path / 'my runs'}' --results {tmp_path}\n" in capsys.readouterr().out


def test_a_layer_in_which_a_stream_may_exchange_nothing_has_a_share_of_none() -> None:
    norm = PrivateNorm2d(1, 2, rule=ChannelExchange(1, 2, 0.02))
    assert 0 in norm.candidates()
    assert exchanged_shares(norm) == [0.0, 0.0]
