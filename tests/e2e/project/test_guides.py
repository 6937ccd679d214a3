"""Every guide can be followed: its commands are executed, here or by `make soak`, or it says which are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guides import GUIDES, KINDS, LONG, NOT_RUN, ROOT, blocks, execute, lay_out

#: What following a guide leaves behind, where its commands alone would not fail without it.
LEAVES = {"batch": ("labelled/overlay/room_5.png", "labelled/results.jsonl", "walk.mp4", "bench.html")}


@pytest.mark.parametrize("guide", [one for one in GUIDES if one not in LONG], ids=lambda guide: guide.stem)
def test_a_guide_can_be_followed_to_its_end(guide: Path, tmp_path: Path) -> None:
    lay_out(tmp_path)
    execute(guide, tmp_path)
    assert all((tmp_path / name).stat().st_size for name in LEAVES.get(guide.stem, ()))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_what_a_guide_leaves_unexecuted_is_named_in_its_text(guide: Path) -> None:
    for block in blocks(guide):
        assert block.kind in KINDS or not block.kind.startswith("console"), block.kind
        if block.kind == "console not-run":
            assert NOT_RUN in block.before.strip().splitlines()[-1], block.text


def test_the_readme_names_every_guide() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for guide in GUIDES:
        assert f"docs/guides/{guide.name}" in text
