"""Folders as systems, archives and downloads leave them: what is no input is passed over or named."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from crosswire.clients import InputError
from crosswire.clients.batch.items import find_items
from crosswire.media.depth_files import DEPTH_ENDINGS
from tests.support.servers.pipelines import described

PAIR = described("p", "n", "t", ("rgb_image", "depth_image"))
CLIPS = described("p", "n", "t", ("clip",))


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder: Path) -> dict[str, str]:
    return {item.stem: item.problem for item in find_items(folder, PAIR).items}


@pytest.mark.parametrize(
    "litter",
    [
        "rgb/.DS_Store",
        "rgb/._b.png",
        "rgb/__MACOSX/._b.png",
        "__MACOSX/rgb/b.png",
        "rgb/Thumbs.db",
        "depth/desktop.ini",
        "rgb/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
        "rgb/a.jpg~",
        "$RECYCLE.BIN/rgb/b.png",
        "rgb/.thumbnails/b.png",
        "#recycle/depth/b.png",
        "lost+found/rgb/b.png",
    ],
)
def test_what_systems_leave_beside_images_is_no_item_and_not_spoken_of(litter: str, tmp_path: Path) -> None:
    touch(tmp_path, "rgb/a.jpg", "depth/a.png", litter)
    items = find_items(tmp_path, PAIR)
    assert ([item.stem for item in items.items], items.notes, items.items[0].problem) == (["a"], (), "")


@pytest.mark.parametrize("ending", [".part", ".crdownload", ".PARTIAL", ".!ut", ".aria2"])
def test_an_unfinished_download_is_named(ending: str, tmp_path: Path) -> None:
    touch(tmp_path, "rgb/a.jpg", "depth/a.png", "rgb/b.jpg", f"depth/b.png{ending}", f"x.mp4{ending}", "y.mp4")
    assert found(tmp_path) == {
        "a": "",
        "b": f"depth/b.png{ending} is an unfinished download; finish it, or remove it",
    }
    clips = find_items(tmp_path, CLIPS).items
    assert [(item.stem, bool(item.problem)) for item in clips] == [("x", True), ("y", False)]


def test_files_of_other_formats_are_counted_and_named(tmp_path: Path) -> None:
    touch(tmp_path, "rgb/a.jpg", "depth/a.png", "rgb/b.jpg", "depth/b.gif", "rgb/notes.txt", "readme.md")
    items = find_items(tmp_path, PAIR)
    (note,) = items.notes
    assert note.startswith("passed over 2 with other endings than .jpg, ")
    assert note.endswith(": depth/b.gif, rgb/notes.txt")
    assert re.fullmatch(
        r"no file depth/b with the ending \.png, .* \(depth/b\.gif is none\); add it", items.items[1].problem
    )


def test_endings_and_folders_may_be_in_capitals(tmp_path: Path) -> None:
    touch(tmp_path, "RGB/IMG_1.JPG", "Depth/IMG_1.PNG", "RGB/img_2.Jpeg", "Depth/img_2.png")
    assert found(tmp_path) == {"IMG_1": "", "img_2": ""}
    touch(tmp_path, "clips/A.MP4", "clips/b.WebM")
    assert [item.stem for item in find_items(tmp_path, CLIPS).items] == ["clips/A", "clips/b"]


@pytest.mark.parametrize("name", ["größe", "café", "한글", "Å"])
def test_names_pair_whether_accents_are_composed_or_apart(name: str, tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert composed != apart
    touch(tmp_path, f"rgb/{apart}.jpg", f"depth/{composed}.png")
    assert found(tmp_path) == {composed: ""}
    touch(tmp_path, f"rgb/{composed}.jpg")
    assert list(found(tmp_path)) == [composed] and "holds several files named" in found(tmp_path)[composed]


def test_equal_names_in_several_folders_are_several_items(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{place}/{kind}" for place in ("one", "two") for kind in ("rgb/1.jpg", "depth/1.png")))
    touch(tmp_path, "rgb/deep/er/1.jpg", "depth/deep/er/1.png", "rgb/1.jpg", "depth/1.png", "rgb/deep/2.jpg")
    assert found(tmp_path) == {
        "1": "",
        "deep/2": f"no file depth/deep/2 with the ending {', '.join(DEPTH_ENDINGS)}; add it",
        "deep/er/1": "",
        "one/1": "",
        "two/1": "",
    }
    touch(tmp_path / "clips", "a/x.mp4", "b/x.mp4")
    assert [item.stem for item in find_items(tmp_path / "clips", CLIPS).items] == ["a/x", "b/x"]


def test_results_of_a_batch_below_its_source_are_no_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "rgb/1.jpg", "depth/1.png", "out/journal.jsonl", "out/depth/1.png", "out/rgb/1.png")
    assert found(tmp_path) == {"1": ""}


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "1.jpg")
    touch(tmp_path / "in", "depth/1.png")
    (tmp_path / "in/rgb").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/again").symlink_to(tmp_path / "in")
    assert found(tmp_path / "in") == {"1": ""}


@pytest.mark.parametrize("names", [("rgb/1.0.jpg", "depth/1.1.png"), ("a/rgb/x.jpg", "b/depth/x.png")])
def test_folders_in_which_nothing_belongs_together_are_one_mistake(names: tuple[str, str], tmp_path: Path) -> None:
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=r"holds no pair of images with equal names in rgb/ and depth/; .* rgb\.txt"):
        find_items(tmp_path, PAIR)


@pytest.mark.parametrize("target", ["loop.jpg", "nowhere"])
def test_a_link_that_leads_nowhere_is_an_item_that_fails_not_a_crash(target: str, tmp_path: Path) -> None:
    touch(tmp_path, "rgb/1.jpg", "depth/1.png", "depth/loop.png")
    (tmp_path / "rgb/loop.jpg").symlink_to(target)
    assert found(tmp_path) == {"1": "", "loop": ""}
    assert find_items(tmp_path, PAIR).items[1].state()["rgb_image"] == [str(tmp_path / "rgb/loop.jpg")]
