"""Sources: folders, Parquet files and WebDataset archives give the same items, and name what is wrong with one."""

from __future__ import annotations

import io
import uuid
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from crosswire.clients.errors import InputError
from crosswire.contract import PipelineDescription
from crosswire.offline.sources.find import find_source
from crosswire.offline.sources.read import read_items
from crosswire.offline.sources.references import Part
from crosswire.offline.sources.source import Source
from crosswire.offline.stores import open_store
from tests.support.offline.sources import pair_members, parquet_bytes, tar_bytes, write_folder
from tests.support.servers.pipelines import described
from tests.support.servers.real import depth_png, png

PAIRS = {f"kitchen/{index:03}": (b"rgb %d" % index, b"depth %d" % index * 9) for index in range(150)}
PIPELINE = described("p", "n", "t", ("rgb_image", "depth_image"))


def halves() -> tuple[dict[str, tuple[bytes, bytes]], dict[str, tuple[bytes, bytes]]]:
    items = list(PAIRS.items())
    return dict(items[:70]), dict(items[70:])


def write(kind: str, folder: Path) -> str:
    """Write the pairs as some source; return its place."""
    first, second = halves()
    if kind == "folder":
        return str(write_folder(folder / "src", PAIRS))
    if kind == "file address":
        return f"file://{write_folder(folder / 'src', PAIRS)}/"
    if kind == "parquet file":
        (folder / "all.parquet").write_bytes(parquet_bytes(PAIRS, 32))
        return str(folder / "all.parquet")
    store = open_store(f"memory://{uuid.uuid4().hex}/src" if kind.startswith("stored") else str(folder))
    if kind.endswith("folder"):
        for name, file in ((path.relative_to(folder), path) for path in write_folder(folder, PAIRS).rglob("*.*")):
            store.write(str(name), file.read_bytes())
        store.write("rgb/.DS_Store", b"what a system leaves")
        store.write("out/batch.json", b"{}")
        store.write("out/rgb/kitchen/000.jpg", b"results of a batch")
    elif kind.endswith("parquet"):
        store.write("a.parquet", parquet_bytes(first, 20))
        store.write("deep/b.parquet", parquet_bytes(second, 1000))
    else:
        store.write("a.tar", tar_bytes(pair_members(first)))
        store.write("b.tar", tar_bytes([("readme.txt", b"passed over"), *pair_members(second)]))
    return store.place


def read(source: Source, part: int = 40) -> dict[str, dict[str, bytes]]:
    """Read all items part by part, as workers do."""
    found = {}
    for start in range(0, len(source.references), part):
        some = Part("part", source.references[start : start + part])
        for item in read_items(open_store(source.place), some, frozenset()):
            data, units = item.sent()
            assert units is None
            found[item.stem] = {name: bytes(one) for name, one in data.items()}  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    "kind",
    ["folder", "file address", "parquet file", "parquet", "tar", "stored folder", "stored parquet", "stored tar"],
)
def test_the_same_pairs_are_the_same_items_from_every_source(kind: str, tmp_path: Path) -> None:
    source = find_source(write(kind, tmp_path), PIPELINE)
    assert [one.item for one in source.references] == list(PAIRS)
    assert read(source) == {item: {"rgb_image": rgb, "depth_image": depth} for item, (rgb, depth) in PAIRS.items()}
    assert all(one.state and not one.problem for one in source.references)
    read_backwards = Part("part", source.references[::-25])
    assert [item.problem for item in read_items(open_store(source.place), read_backwards, frozenset())] == [""] * 6


def parquet(folder: Path, rows: list[dict[str, Any]]) -> str:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    (folder / "some.parquet").write_bytes(file.getvalue())
    return str(folder / "some.parquet")


def test_images_as_other_libraries_write_them_are_read_and_rows_without_names_get_some(tmp_path: Path) -> None:
    image = {"bytes": b"encoded", "path": "a.jpg"}
    source = find_source(parquet(tmp_path, [{"rgb": image, "depth_image": b"d"}] * 2), PIPELINE)
    assert list(read(source)) == ["some/000000", "some/000001"]
    assert read(source)["some/000001"] == {"rgb_image": b"encoded", "depth_image": b"d"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"item": "a", "rgb": b"r"}], r"has the columns item, rgb; pipeline 'p' needs .* rgb, depth"),
        ([{"rgb": "text", "depth": b"d"}], r"column 'rgb' holds string, expected are the bytes"),
        ([{"item": "a", "rgb": b"r", "depth": b"d"}] * 2, r"several items are named 'a'"),
    ],
)
def test_a_table_of_another_form_is_refused(rows: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        find_source(parquet(tmp_path, rows), PIPELINE)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a//b", ".", "a\\b", "a\nb", ""])
def test_a_name_that_leads_out_of_the_results_is_an_item_with_a_problem(name: str, tmp_path: Path) -> None:
    source = find_source(parquet(tmp_path, [{"item": name, "rgb": b"r", "depth": b"d"}]), PIPELINE)
    (item,) = read_items(open_store(source.place), Part("part", source.references), frozenset())
    assert "cannot be the name of a file" in item.problem


def test_what_an_item_lacks_is_told_of_that_item_alone(tmp_path: Path) -> None:
    rows = [{"item": name, "rgb": b"r", "depth": depth} for name, depth in (("a", b"d"), ("b", None))]
    source = find_source(parquet(tmp_path, rows), PIPELINE)
    part = Part("part", source.references)
    assert [one.problem for one in read_items(open_store(source.place), part, frozenset())] == [
        "",
        "depth: the column has no value here; fill it, or drop the row",
    ]
    (_, without) = read_items(open_store(source.place), part, frozenset({"depth_image"}))
    assert without.sent()[0] == {"rgb_image": b"r"}
    (tmp_path / "some.tar").write_bytes(tar_bytes([("a.rgb.jpg", b"r"), ("b.1.rgb.jpg", b""), ("b.depth.png", b"d")]))
    source = find_source(str(tmp_path / "some.tar"), PIPELINE)
    assert {one.item: one.problem.partition(" with")[0] for one in source.references} == {
        "a": "some.tar holds no member a.depth",
        "b": "some.tar holds no member b.rgb",
    }


@pytest.mark.parametrize("ending", ["parquet", "tar"])
def test_a_file_that_is_damaged_changed_or_gone_is_named(ending: str, tmp_path: Path) -> None:
    place = tmp_path / f"some.{ending}"
    with pytest.raises(InputError, match="is not there"):
        find_source(str(place), PIPELINE)
    place.write_bytes(b"neither of them" * 99)
    with pytest.raises(InputError, match=f"{place} cannot be read"):
        find_source(str(place), PIPELINE)
    whole = parquet_bytes(PAIRS) if ending == "parquet" else tar_bytes(pair_members(PAIRS))
    place.write_bytes(whole)
    source = find_source(str(place), PIPELINE)
    place.write_bytes(whole[: len(whole) // 2])
    last = Part("part", source.references[-1:])
    (item,) = read_items(open_store(source.place), last, frozenset())
    assert "cannot be read" in item.problem or "shorter than it was" in item.problem


def test_recordings_are_sent_to_the_command_that_reads_them(tmp_path: Path) -> None:
    for index in range(2):
        (tmp_path / f"frame-00000{index}.color.png").write_bytes(png())
        (tmp_path / f"frame-00000{index}.depth.png").write_bytes(depth_png())
        (tmp_path / f"frame-00000{index}.pose.txt").write_text("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    with pytest.raises(InputError, match=r"holds recordings, .* make-data recording"):
        find_source(str(tmp_path), PIPELINE)


def test_a_pipeline_of_clips_takes_members_by_their_ending(tmp_path: Path) -> None:
    (tmp_path / "clips.tar").write_bytes(tar_bytes([("a.mp4", b"film"), ("a.json", b"{}"), ("b.WAV", b"sound")]))
    pipeline: PipelineDescription = described("p", "n", "t", ("clip",))
    source = find_source(str(tmp_path / "clips.tar"), pipeline)
    assert read(source) == {"a": {"clip": b"film"}, "b": {"clip": b"sound"}}
