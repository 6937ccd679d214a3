"""The seam to Ray and to the packages of its extra: which room runs a batch, one line where something is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crosswire.__main__ import main, room_of


@pytest.mark.parametrize(
    ("words", "room"),
    [
        (["batch", "a", "b"], "clients"),
        (["batch", "a", "b", "--engine", "server"], "clients"),
        (["batch", "a", "b", "--engine", "ray"], "offline"),
        (["batch", "--engine=in-process", "a", "b", "--overlay"], "offline"),
        (["batch", "--engine"], "clients"),
        (["predict", "--engine", "ray"], "clients"),
    ],
)
def test_a_batch_is_run_by_the_room_of_its_engine(words: list[str], room: str) -> None:
    assert room_of(words) == room


@pytest.mark.parametrize("engine", ["ray", "in-process"])
def test_each_engine_has_help_of_its_own(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["batch", "--engine", engine, "--help"])
    assert ended.value.code == 0
    assert "--address ADDRESS" in capsys.readouterr().out


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("in-process", "pyarrow")])
def test_without_the_extra_one_line_says_what_to_install(
    engine: str, package: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "a.parquet").touch()
    words = ["batch", str(tmp_path / "a.parquet"), str(tmp_path / "out"), "--engine", engine]
    assert main([*words, "--pipeline", "rooms_cen_int8_image"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f'needs {package}; install it with: pip install "crosswire[ray]"' in said


def test_the_clients_alone_name_the_command_that_has_other_engines(capsys: pytest.CaptureFixture[str]) -> None:
    from crosswire.clients.__main__ import main as clients

    assert clients(["batch", "a", "b", "--engine", "ray"]) == 2
    assert "call crosswire batch" in capsys.readouterr().err


def test_numbers_of_workers_that_make_no_sense_are_refused() -> None:
    from crosswire.clients.errors import InputError
    from crosswire.offline.engines.ray_engine import RayOptions

    for wrong in ({"workers": 0}, {"cores": 0}, {"gpus": -1.0}):
        with pytest.raises(InputError, match="expected 1 worker or more"):
            RayOptions(**wrong)  # type: ignore[arg-type]
