"""What the tests themselves rely on: translations of equal networks, the table of processors, damaged files."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.support import processors
from tests.support.hostile.mutations import KINDS, damaged
from tests.support.paths import ROOT
from tests.support.training.exports import fingerprint


class Scaled(nn.Module):
    """A module with a tensor, a plain attribute and a child."""

    def __init__(self) -> None:
        """Start with ones."""
        super().__init__()
        self.mask = (True, False)
        self.inner = nn.Linear(2, 2)
        self.register_buffer("scale", torch.ones(2))


def change_weight(module: Scaled) -> None:
    """Change one number of a parameter."""
    module.inner.weight.data[0, 0] += 1


def change_buffer(module: Scaled) -> None:
    """Change one number of a buffer."""
    module.get_buffer("scale")[1] = 2


def change_attribute(module: Scaled) -> None:
    """Change what is no tensor."""
    module.mask = (False, False)


def change_kind(module: Scaled) -> None:
    """Put another child in the place of the first."""
    module.inner = nn.Sequential(module.inner)  # type: ignore[assignment]


def test_equal_networks_have_one_fingerprint() -> None:
    module = Scaled()
    assert fingerprint(module, [], ["y"], 4) == fingerprint(copy.deepcopy(module), [], ["y"], 4) is not None
    assert len({fingerprint(module, [], names, most) for names, most in ((["y"], 4), (["z"], 4), (["y"], None))}) == 3


@pytest.mark.parametrize("change", [change_weight, change_buffer, change_attribute, change_kind])
def test_whatever_differs_shows_in_the_fingerprint(change: Callable[[Scaled], None]) -> None:
    module = Scaled()
    other = copy.deepcopy(module)
    change(other)
    assert fingerprint(module, [], [], None) != fingerprint(other, [], [], None)


def test_what_does_not_show_its_content_has_no_fingerprint() -> None:
    module = Scaled()
    module.mask = object()  # type: ignore[assignment]
    assert fingerprint(module, [], [], None) is None


def test_the_numeric_tests_are_there_and_settings_have_names_of_their_own() -> None:
    assert [name for name in processors.NUMERIC if not (ROOT / "tests" / f"{name}.py").is_file()] == []
    assert len({setting.name for setting in processors.SETTINGS}) == len(processors.SETTINGS)


def test_a_setting_that_is_unknown_or_that_the_processor_lacks_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert processors.main(["avx1024"]) == 2
    assert "got avx1024, expected some of as-it-is" in capsys.readouterr().err
    monkeypatch.setattr(processors, "flags", lambda: set())
    assert processors.main(["aten-avx512", "--", "tests/no_such_file.py"]) == 0
    assert "aten-avx512    not run: this processor has no avx512f" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "status", "row"), [("1", 0, " 1      0       0"), ("0", 1, " 0      1       0")])
def test_the_table_counts_and_a_failure_fails(
    text: str, status: int, row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test_one.py"
    file.write_text(f"def test_one() -> None:\n    assert {text}\n")
    assert processors.main(["as-it-is", "--", str(file)]) == status
    assert row in capsys.readouterr().out.splitlines()[-1]


def test_damaged_files_are_the_same_again_and_of_every_kind() -> None:
    files = [damaged(7, number) for number in range(70)]
    assert [file.data for file in files] == [damaged(7, number).data for number in range(70)]
    assert [file.kind for file in files] == [*KINDS] * 10
    assert {file.part for file in files} == {"rgb", "depth", "clip"}
    assert len({file.data for file in files} | {damaged(8, number).data for number in range(70)}) > 130
