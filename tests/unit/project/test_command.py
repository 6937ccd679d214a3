"""The command `crosswire`: every command of every room, a room imported only when asked, and old names that answer."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from crosswire.__main__ import COMMANDS, RENAMED, main
from crosswire.clients.__main__ import main as clients
from crosswire.export.__main__ import main as export
from crosswire.serving.__main__ import main as serving
from crosswire.training.__main__ import main as training

ROOMS = {"training": training, "export": export, "serving": serving, "clients": clients}


@pytest.mark.parametrize("room", ROOMS)
def test_every_command_of_a_room_is_offered_and_there(room: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ROOMS[room](["--help"])
    shown = capsys.readouterr().out
    there = set(re.findall(r"^    (\S+)", shown, re.MULTILINE))
    assert {name for name, (owner, _) in COMMANDS.items() if owner == room} == there


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_under_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: crosswire {name} ")


@pytest.mark.parametrize("name", RENAMED)
def test_an_old_command_answers_with_its_new_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 2
    assert f"got {name!r}, which is now: {RENAMED[name]}" in capsys.readouterr().err


def test_an_unknown_command_is_refused_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pedict"]) == 2
    assert "expected one of train, " in capsys.readouterr().err


def test_the_overview_imports_no_room() -> None:
    code = "import sys; from crosswire.__main__ import main; main(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert "crosswire.__main__" in loaded and "numpy" not in loaded
    assert not any(f"crosswire.{room}'" in loaded for room in ROOMS)


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["count", "cen-lite-s", "--classes", "13"], "crosswire.training.tasks.segmentation.network"),
        (["check-data", "/nonexistent"], "crosswire.training.datasets.check"),
    ],
)
def test_a_command_imports_only_what_it_needs(words: list[str], needed: str) -> None:
    code = f"import json, sys; from crosswire.__main__ import main; main({words}); print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert needed in loaded
    assert not loaded & {"lightning", "torchmetrics", "matplotlib", "tensorboard"}
    networks = {name for name in loaded if re.fullmatch(r"crosswire\.training\.tasks\.\w+\.(network|task)", name)}
    assert networks <= {needed}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "a.png", "--deadline", "3"], "--deadline is now --timeout"),
        (["export", "run", "--absence"], "--absence is now --missing-modality"),
        (["evaluate", "run", "--availability"], "--availability is now --missing-modality"),
    ],
)
def test_an_old_flag_answers_with_its_new_name(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and said in capsys.readouterr().err
