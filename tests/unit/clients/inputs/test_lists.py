"""Lists as editors, spreadsheets and other systems write them name the same files."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from crosswire.clients import InputError
from crosswire.clients.batch.items import find_items
from crosswire.clients.inputs.lists import ListedFiles, read_lines, split_line
from tests.support.servers.pipelines import described

PAIR = described("p", "n", "t", ("rgb_image", "depth_image"))
LINES = ["# colour and depth", "one.rgb.jpg\tone.depth.png", "", "  # more", "zwei ü.jpg\tzwei ü.png  "]


@pytest.mark.parametrize(
    ("encoding", "end"),
    [
        ("utf-8", "\n"),
        ("utf-8-sig", "\r\n"),
        ("utf-8-sig", "\n"),
        ("utf-16", "\r\n"),
        ("utf-16-le", "\r\n"),
        ("utf-16-be", "\n"),
        ("utf-8", "\r"),
    ],
)
def test_a_list_reads_the_same_in_every_encoding_and_with_every_line_end(
    encoding: str, end: str, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_bytes((end.join(LINES) + end).encode(encoding))
    found = find_items(tmp_path / "list.txt", PAIR).items
    assert [item.stem for item in found] == ["one", "zwei ü"]
    assert found[1].files == {"rgb_image": tmp_path / "zwei ü.jpg", "depth_image": tmp_path / "zwei ü.png"}


@pytest.mark.parametrize(
    "data", [b"caf\xe9.jpg a.png\n", b"\x00\x00\x00\x01" * 9, "a.jpg b.png\n".encode("utf-16")[:9]]
)
def test_a_list_in_no_known_encoding_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be read as a list of files .* write it as UTF-8 text"):
        read_lines(tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("a.jpg b.png", ["a.jpg", "b.png"]),
        ("a.jpg\tb.png\t", ["a.jpg", "b.png"]),
        ("a.jpg\t\t b.png", ["a.jpg", "b.png"]),
        ("my a.jpg\tmy b.png", ["my a.jpg", "my b.png"]),
        ('"my a.jpg" "my b.png"', ["my a.jpg", "my b.png"]),
        ("'my a.jpg'   b.png", ["my a.jpg", "b.png"]),
        ('"my\ta.jpg"\t"b.png"', ["my\ta.jpg", "b.png"]),
        ('"say ""hi"".jpg"\tb.png', ['say "hi".jpg', "b.png"]),
        ("it's.jpg 5\".png", ["it's.jpg", '5".png']),
    ],
)
def test_names_stand_between_tabs_blanks_or_quotes(line: str, names: list[str]) -> None:
    assert split_line(line, 2) == names


def test_a_line_for_one_file_is_its_name_whatever_blanks_it_holds() -> None:
    assert split_line("my holiday clip.mp4", 1) == ["my holiday clip.mp4"]
    assert split_line('"my holiday clip.mp4"', 1) == ["my holiday clip.mp4"]


def test_names_are_found_where_another_system_spells_them_otherwise(tmp_path: Path) -> None:
    (tmp_path / "rgb").mkdir()
    apart = unicodedata.normalize("NFD", "größe é.jpg")
    for name in (apart, "plain.jpg", "back\\slash.jpg"):
        (tmp_path / "rgb" / name).touch()
    files = ListedFiles(tmp_path)
    assert files.find("rgb/größe é.jpg") == tmp_path / "rgb" / apart
    assert files.find("rgb\\größe é.jpg") == tmp_path / "rgb" / apart
    assert files.find("rgb\\plain.jpg") == tmp_path / "rgb/plain.jpg"
    assert files.find("rgb/back\\slash.jpg") == tmp_path / "rgb" / "back\\slash.jpg"
    assert files.find(str(tmp_path / "rgb/plain.jpg")) == tmp_path / "rgb/plain.jpg"
    for nowhere in ("C:\\data\\a.jpg", "rgb/nul\0.jpg", "rgb/" + 300 * "x", "../a.jpg"):
        assert files.find(nowhere) == tmp_path / nowhere


def test_a_name_that_two_files_share_but_for_accents_is_not_guessed(tmp_path: Path) -> None:
    half = "e\u0301\u0323.jpg", "e\u0323\u0301.jpg"  # the same letter, its accents in both orders, neither composed
    for name in half:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="holds 2 files named"):
        ListedFiles(tmp_path).find(unicodedata.normalize("NFC", half[0]))
    assert ListedFiles(tmp_path).find(half[0]) == tmp_path / half[0]


def test_equal_names_in_a_list_keep_their_folders_and_others_stay_short(tmp_path: Path) -> None:
    lines = [
        "s1/rgb/a.jpg s1/depth/a.png",
        "../s2/RGB/a.jpg s2/depth/a.png",
        "s3\\rgb\\a.jpg x.png",
        "/d/rgb/b.jpg y.png",
    ]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    assert [item.stem for item in find_items(tmp_path / "list.txt", PAIR).items] == ["b", "s1/a", "s2/a", "s3/a"]
