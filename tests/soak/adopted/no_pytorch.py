"""The guide to adopted networks in an environment of its own that has no PyTorch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.environments import environment, sources
from tests.support.guides import GUIDES, execute, lay_out


@pytest.mark.timeout(1800)
def test_a_graph_is_adopted_and_answers_where_there_is_no_pytorch(tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", f"{sources(tmp_path / 'sources')}[adopt,serve]")
    assert subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode != 0
    folder = tmp_path / "clone"
    folder.mkdir()
    lay_out(folder)
    (folder / ".venv").unlink()
    (folder / ".venv").symlink_to(python.parent.parent)
    (guide,) = (one for one in GUIDES if one.stem == "adopt")
    execute(guide, folder, python)
