"""Atomic writes: the old file or the new one, and nothing beside it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from crosswire.contract.atomic_write import atomic_path, sweep, temporary_name, write_bytes, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("shared", [False, True])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(shared: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path, shared=shared) as temporary:
        temporary.write_text("half of")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and names(tmp_path) == ["file"]


def test_what_takes_no_file_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "file", "new")
    assert names(tmp_path) == ["file"]


def test_a_missing_folder_is_made_unless_it_must_be_there(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b.json", {"c": 1})
    assert (tmp_path / "a" / "b.json").read_text() == '{\n "c": 1\n}\n'
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "none" / "file", b"", make_folder=False)
    assert names(tmp_path) == ["a"]


def test_a_private_file_is_never_open_to_others(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"secret", mode=0o600)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_the_next_write_takes_over_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / ".file.tmp").write_text("much more than is written now")
    write_text(tmp_path / "file", "new")
    assert names(tmp_path) == ["file"] and (tmp_path / "file").read_text() == "new"


def test_leftovers_of_a_shared_folder_are_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in (temporary_name(), ".mine.tmp", "file"):
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert names(tmp_path) == [".mine.tmp", "file"]


def test_a_name_as_long_as_the_system_allows_can_be_written_in_a_shared_folder(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_bytes(path, b"new", shared=True)
    assert path.read_bytes() == b"new"
