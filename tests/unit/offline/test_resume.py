"""The table and what is resumed from it: committed parts count, the newest row of an item counts, nothing twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from crosswire.clients.errors import InputError
from crosswire.offline.results.batch_file import claim
from crosswire.offline.results.resume import missing, present_files, recorded, tidy
from crosswire.offline.results.table import Row, commit, next_run, part_names
from crosswire.offline.sources.references import Part, Reference, cut
from crosswire.offline.stores import LocalStore
from tests.support.offline.sources import table_rows


def references(count: int, state: str = "s") -> list[Reference]:
    return [Reference(f"item/{index:03}", (), state=state) for index in range(count)]


def do(store: LocalStore, part: Part, failed: tuple[str, ...] = (), *, final: bool = True) -> None:
    """Write files and rows of a part as a worker does."""
    rows = []
    for one in part.references:
        if one.item in failed:
            rows.append(Row(one.item, error="InputError", reason="why", final=final, state=one.state))
            continue
        name = f"labels/{one.item}.png"
        store.write(name, one.item.encode())
        shares, times = {"floor": 0.25}, {"prepare_ms": 1.0, "total_ms": 2.0}
        rows.append(Row(one.item, {"labels": name}, shares, ("odd: very",), times, "{}", state=one.state))
    commit(store, part.name, rows)


def left(store: LocalStore, some: list[Reference], *, again: bool = False) -> list[str]:
    found = recorded(store)
    tidy(store, found)
    files = present_files(store, ["labels"])
    return [one.item for one in missing(some, found.items, files, again=again)]


def test_parts_hold_every_item_once_and_are_named_alike_by_the_same_run() -> None:
    some = references(150)
    parts = list(cut(some, 64, 3))
    assert [len(part.references) for part in parts] == [64, 64, 22]
    assert [one for part in parts for one in part.references] == some
    assert [part.name for part in cut(some, 64, 3)] == [part.name for part in parts]
    names = {part.name for run in (3, 4) for part in cut(some, 64, run)}
    assert len(names) == 6 and max(names) in {part.name for part in cut(some, 64, 4)}


def test_an_item_is_done_once_its_row_is_committed_and_its_files_are_there(tmp_path: Path) -> None:
    store, some = LocalStore(tmp_path), references(10)
    first, second, third = cut(some, 4, next_run(store))
    assert left(store, some) == [one.item for one in some] and next_run(store) == 1
    do(store, first)
    for one in second.references:  # a worker that died before its commit
        store.write(f"labels/{one.item}.png", b"half of a part")
    do(store, third)
    do(store, third)  # a part that was done twice
    assert left(store, some) == [one.item for one in second.references]
    (tmp_path / "labels/item/001.png").unlink()
    assert left(store, some) == ["item/001", *(one.item for one in second.references)]
    assert [row["item"] for row in table_rows(tmp_path)] == [
        one.item for part in (first, third) for one in part.references
    ]
    row = table_rows(tmp_path)[0]
    assert row["files"] == [("labels", "labels/item/000.png")] and dict(row["shares"]) == {"floor": 0.25}
    assert row["warnings"] == ["odd: very"] and row["error"] is None and row["timings"]["total_ms"] == 2.0


def test_a_failure_is_tried_again_when_it_may_pass_when_its_files_changed_or_when_asked(tmp_path: Path) -> None:
    store, some = LocalStore(tmp_path), references(4)
    first, second = cut(some, 2, 1)
    do(store, first, ("item/000",))
    do(store, second, ("item/002",), final=False)
    assert left(store, some) == ["item/002"]
    assert left(store, references(4, "changed")) == ["item/000", "item/002"]
    assert left(store, some, again=True) == ["item/000", "item/002"]


def test_of_several_rows_the_newest_counts_and_the_others_are_removed(tmp_path: Path) -> None:
    store, some = LocalStore(tmp_path), references(6)
    for part in cut(some, 3, 1):
        do(store, part, ("item/001", "item/003", "item/004", "item/005"))
    (again,) = cut([some[1], *some[3:]], 9, next_run(store))
    assert again.name.startswith("part-00002-")
    do(store, again)
    assert len(table_rows(tmp_path)) == 10
    assert left(store, some) == []
    rows = table_rows(tmp_path)
    assert [row["item"] for row in rows] == [one.item for one in some]
    assert [row["error"] for row in rows] == [None] * 6
    assert len(part_names(store)) == 2, "a part without rows is removed"
    assert left(store, some) == []


def test_any_order_of_deaths_and_runs_ends_with_one_row_and_one_file_per_item(tmp_path: Path) -> None:
    chance = random.Random(5)
    store, some = LocalStore(tmp_path), references(60)
    for _ in range(6):
        run = next_run(store)
        todo = [one for one in some if one.item in set(left(store, some))]
        parts = list(cut(todo, chance.choice((5, 7, 11)), run))
        for part in chance.choices(parts, k=max(1, len(parts) // 2)):
            do(store, part)
        if done := part_names(store):
            item = chance.choice(table_rows(tmp_path))["item"]
            assert done
            (tmp_path / f"labels/{item}.png").unlink(missing_ok=True)
    for part in cut([one for one in some if one.item in set(left(store, some))], 8, next_run(store)):
        do(store, part)
    assert left(store, some) == []
    assert [row["item"] for row in table_rows(tmp_path)] == [one.item for one in some]
    assert len([path for path in (tmp_path / "labels").rglob("*") if path.is_file()]) == 60


def test_another_batch_may_not_go_on_in_the_same_place(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    claim(store, {"source": "a", "outputs": ["labels_png"]})
    claim(store, {"source": "a", "outputs": ["labels_png"]})
    with pytest.raises(InputError, match=r"holds a batch with source = 'a', now it is 'b'; name another place"):
        claim(store, {"source": "b", "outputs": ["labels_png"]})
    (tmp_path / "batch.json").write_text("[")
    with pytest.raises(InputError, match="is no batch of Crosswire"):
        claim(store, {"source": "a"})


def test_a_file_among_the_parts_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "part-00001-x.parquet").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"part-00001-x\.parquet cannot be read"):
        recorded(LocalStore(tmp_path))
