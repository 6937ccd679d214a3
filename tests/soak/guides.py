"""Guides whose commands take minutes; `make soak` follows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guides import LONG, execute, lay_out


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("guide", LONG, ids=lambda guide: guide.stem)
def test_a_long_guide_can_be_followed_to_its_end(guide: Path, tmp_path: Path) -> None:
    lay_out(tmp_path)
    execute(guide, tmp_path)
