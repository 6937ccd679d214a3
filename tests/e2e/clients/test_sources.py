"""Folders, lists and recordings as people have them, through the commands and the calls, to the real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.clients import predict_folder, stream
from crosswire.clients.__main__ import main
from tests.support.servers.real import depth_png, jpeg, png

RGB, DEPTH = jpeg(32, 24), depth_png(32, 24)
BEGIN_NS = 1_305_031_102_175_304_000


def write(folder: Path, *places: str) -> None:
    """Write a pair of images for each place."""
    for place in places:
        for kind, ending, data in (("rgb", "jpg", RGB), ("depth", "png", DEPTH)):
            path = folder / f"{place.format(kind)}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def record(folder: Path, colour: list[str], depth: list[str]) -> None:
    """Write a recording with stamps as they are given."""
    for kind, ending, data, stamps in (("rgb", "jpg", RGB, colour), ("depth", "png", DEPTH, depth)):
        (folder / kind).mkdir(parents=True)
        for stamp in stamps:
            (folder / kind / f"{stamp}.{ending}").write_bytes(data)
        (folder / f"{kind}.txt").write_text("".join(f"{stamp} {kind}/{stamp}.{ending}\n" for stamp in stamps))


def stems(folder: Path) -> list[str]:
    return [json.loads(line)["stem"] for line in (folder / "results.jsonl").read_text().splitlines()]


def test_lists_with_a_byte_order_mark_are_a_batch_and_a_stream(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "one.{}", "zwei ü.{}")
    lines = "# colour depth\r\none.rgb.jpg\tone.depth.png\r\n\"zwei ü.rgb.jpg\"\t'zwei ü.depth.png'  \r\n"
    for number, encoding in enumerate(("utf-8-sig", "utf-16")):
        (tmp_path / "list.txt").write_bytes(lines.encode(encoding))
        out = tmp_path / f"out{number}"
        assert main(["batch", str(tmp_path / "list.txt"), str(out), "--url", server.grpc_url]) == 0
        assert stems(out) == ["one", "zwei ü"] and (out / "labels/zwei ü.png").is_file()
    record(tmp_path / "tum", ["1.0"], ["1.0"])
    (tmp_path / "tum/rgb.txt").write_bytes(b"\xef\xbb\xbf# colour images\r\n1.0 rgb/1.0.jpg\r\n")
    assert main(["stream", str(tmp_path / "tum"), "--speed", "0", "--url", server.grpc_url]) == 0
    assert "1 frames: 1 answered" in capsys.readouterr().out


def test_stamps_in_nanoseconds_are_paired_and_told_by_batch_and_stream(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamps = [[str(BEGIN_NS + delay + index * 33_333_000) for index in range(2)] for delay in (0, -14_897_000)]
    record(tmp_path / "tum", *stamps)
    words = [str(tmp_path / "tum"), "--url", server.grpc_url]
    assert main(["batch", words[0], str(tmp_path / "out"), *words[1:]]) == 0
    told = capsys.readouterr()
    assert "rgb.txt: stamps are nanoseconds" in told.out and "depth.txt: stamps are nanoseconds" in told.err
    assert stems(tmp_path / "out") == stamps[0]
    assert main(["stream", *words, "--speed", "0"]) == 0
    words = capsys.readouterr().out.splitlines()
    figures = json.loads(words[-1])
    assert (figures["answered"], figures["unmatched"], len(figures["notes"])) == (2, 0, 3)
    assert figures["notes"][0] in words


def test_an_offset_is_named_or_found_by_batch_and_stream_alike(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = np.cumsum(np.random.default_rng(4).uniform(0.02, 0.05, 24))
    record(tmp_path / "tum", [f"{time:.6f}" for time in times], [f"{time + 90:.6f}" for time in times])
    source = str(tmp_path / "tum")
    words = ["batch", source, str(tmp_path / "found"), "--url", server.grpc_url]
    assert main(words) == 2
    assert "--offset auto" in capsys.readouterr().err
    assert main([*words, "--offset", "auto"]) == 0
    assert "offset: -90 s are added to the stamps of depth, 24 of 24" in capsys.readouterr().out
    assert main([*words, "--offset", "-90.01"]) == 2
    told = "holds a batch with offset = 'auto', now it is -90.01"
    assert told in capsys.readouterr().err, "with another offset it is another batch"
    with pytest.raises(SystemExit):
        main([*words, "--offset", "soon"])
    assert "argument --offset: got 'soon', expected seconds or auto" in capsys.readouterr().err
    named = predict_folder(source, tmp_path / "named", server.grpc_url, offset=-90)
    played = stream(source, server.grpc_url, speed=0, offset="auto")
    assert (named.done, named.unmatched) == (len(played.frames), played.unmatched) == (24, 0)
    assert [one.frame.name for one in played.frames] == stems(tmp_path / "named") == stems(tmp_path / "found")
    record(tmp_path / "even", *([f"{at + index / 10:.3f}" for index in range(24)] for at in (0, 0.5)))
    assert main(["stream", str(tmp_path / "even"), "--speed", "0", "--offset", "auto", "--url", server.grpc_url]) == 2
    assert "the stamps cannot tell which is right; name it: --offset SECONDS" in capsys.readouterr().err


def test_equal_names_in_several_folders_keep_the_tree_in_the_results(server: Any, tmp_path: Path) -> None:
    write(tmp_path, "{}/1", "one/{}/1", "two/{}/1", "{}/deep/1")
    (tmp_path / "two/rgb/._1.jpg").write_bytes(b"left by an archive")
    (tmp_path / "two/depth/@eaDir/1.png").mkdir(parents=True)
    out = tmp_path / "out"  # below the source: results are no inputs of the next run
    assert predict_folder(tmp_path, out, server.grpc_url, overlay=True).done == 4
    places = ["1.png", "deep/1.png", "one/1.png", "two/1.png"]
    for kind in ("labels", "overlay"):
        assert sorted(path.relative_to(out / kind).as_posix() for path in (out / kind).rglob("*.png")) == places
    again = predict_folder(tmp_path, out, server.grpc_url, overlay=True)
    assert (again.done, again.before) == (4, 4)
    lines = "one/rgb/1.jpg one/depth/1.png\ntwo/rgb/1.jpg two/depth/1.png\n"
    (tmp_path / "list.txt").write_text(lines)
    assert predict_folder(tmp_path / "list.txt", tmp_path / "listed", server.http_url).done == 2
    assert stems(tmp_path / "listed") == ["one/1", "two/1"]


@pytest.mark.parametrize("broken", [DEPTH[:150], b"", png(32, 24), b"<html>not found</html>"])
def test_a_repaired_file_is_asked_about_by_the_same_command(broken: bytes, server: Any, tmp_path: Path) -> None:
    write(tmp_path / "in", "{}/a", "{}/b")
    (tmp_path / "in/depth/b.png").write_bytes(broken)
    words = ["batch", str(tmp_path / "in"), str(tmp_path / "out"), "--url", server.grpc_url]
    assert main(words) == 1
    assert (stems(tmp_path / "out"), main(words)) == (["a"], 1)
    (tmp_path / "in/depth/b.png").write_bytes(DEPTH)
    assert (main(words), stems(tmp_path / "out")) == (0, ["a", "b"])
    assert (tmp_path / "out/failures.jsonl").read_text() == ""
