"""Batches: every item ends as a result or as a reason, also when the run is killed again and again."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.clients.__main__ import main
from crosswire.clients.batch.items import find_items
from crosswire.clients.batch.progress_log import ProgressLog
from crosswire.clients.errors import InputError, OutputError
from crosswire.clients.streaming.frames import read_sequence
from crosswire.contract import PipelineDescription
from tests.integration.clients.test_stream import LONELY, files_of_at_most, write_tum
from tests.support.servers.pipelines import described
from tests.support.servers.real import PIPELINE, REPOSITORY, depth_png, jpeg, png
from tests.support.small_clips import clip
from tests.support.training.small_networks import EVENTS

PAIRS, BROKEN, KILLS = 600, 20, 3
DAMAGE = {
    "no file depth/": ("rgb", None),
    "no file rgb/": ("depth", None),
    "is empty": ("rgb", b""),
    "expected is PNG or TIFF": ("depth", b"depth: 1 m\n" * 9),
    "is an RGB picture": ("depth", png(32, 24)),
    "another aspect ratio": ("depth", depth_png(40, 20)),
    "lossy": ("depth", jpeg(32, 24)),
    "rgb_image": ("rgb", png(32, 24)[:300]),
}


def pipeline(*inputs: str) -> PipelineDescription:
    return described("p", "n", "t", inputs)


def write_pairs(folder: Path, count: int, broken: int) -> dict[str, str]:
    """Write pairs of several sizes and formats; return the broken stems with what their reason must hold."""
    reasons = {}
    for kind in ("rgb", "depth"):
        (folder / kind).mkdir(parents=True)
    pictures = [(jpeg(32, 24), ".jpg"), (png(32, 24), ".png"), (jpeg(40, 30), ".jpeg"), (jpeg(32, 24, "L"), ".JPG")]
    for index in range(count):
        data, ending = pictures[index % len(pictures)]
        files = {"rgb": (data, ending), "depth": (depth_png(32, 24, 1500 + index), ".png")}
        stem = f"frame_{index:04}"
        if index % (count // broken) == 7:
            reason, (kind, damaged) = list(DAMAGE.items())[len(reasons) % len(DAMAGE)]
            reasons[stem] = reason
            if damaged is None:
                del files["depth" if kind == "rgb" else "rgb"]
            else:
                files[kind] = (damaged, files[kind][1])
        for kind, (content, ending) in files.items():
            (folder / kind / f"{stem}{ending}").write_bytes(content)
    return reasons


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def command(source: Path, folder: Path, url: str) -> list[str]:
    words = [sys.executable, "-W", "error", "-m", "crosswire.clients", "batch", str(source), str(folder)]
    return [*words, "--pipeline", PIPELINE, "--url", url]


def test_a_batch_that_is_killed_three_times_ends_as_if_it_never_was(server: Any, tmp_path: Path) -> None:
    source, folder = tmp_path / "pairs", tmp_path / "out"
    reasons = write_pairs(source, PAIRS, BROKEN)
    assert len(reasons) == BROKEN
    journal = folder / "journal.jsonl"
    for ends in sorted(random.Random(7).sample(range(50, PAIRS - 50), KILLS)):
        run = subprocess.Popen(command(source, folder, server.grpc_url), stderr=subprocess.DEVNULL)
        while not journal.exists() or journal.read_bytes().count(b'{"done"') < ends:
            assert run.poll() is None, "it ended before it was killed"
            time.sleep(0.01)
        run.kill()
        run.wait()
    last = subprocess.run(command(source, folder, server.grpc_url), capture_output=True, text=True)
    assert last.returncode == 1, last.stderr
    assert last.stdout.startswith(f"{PAIRS - BROKEN} answered (") and f"{BROKEN} failed, see {folder}" in last.stdout

    results, failures = lines(folder / "results.jsonl"), lines(folder / "failures.jsonl")
    assert {line["stem"] for line in failures} == set(reasons)
    assert [line["reason"] for line in failures if reasons[line["stem"]] not in line["reason"]] == []
    stems = [f"frame_{index:04}" for index in range(PAIRS)]
    assert [line["stem"] for line in results] == [stem for stem in stems if stem not in reasons]
    assert {path.stem for path in (folder / "labels").iterdir()} == {line["stem"] for line in results}
    begun = Counter(line["begin"] for line in lines(journal) if "begin" in line)
    assert max(begun.values()) <= 2 and sum(begun.values()) - PAIRS <= KILLS * 8
    assert max(Counter(line["done"] for line in lines(journal) if "done" in line).values()) == 1

    few, alone = tmp_path / "few.txt", tmp_path / "alone"
    chosen = results[::12]
    names = {path.stem: path.name for path in (source / "rgb").iterdir()}
    few.write_text("".join(f"pairs/rgb/{names[one['stem']]}\tpairs/depth/{one['stem']}.png\n" for one in chosen))
    assert subprocess.run(command(few, alone, server.http_url), capture_output=True).returncode == 0
    assert [line["files"] for line in lines(alone / "results.jsonl")] == [one["files"] for one in chosen]
    for one in chosen:
        pictures = [Image.open(place / one["files"]["labels"]) for place in (folder, alone)]
        assert pictures[0].size == (one["width"], one["height"])
        assert (np.asarray(pictures[0]) == np.asarray(pictures[1])).mean() > 0.99, "batched differently, labelled alike"


def test_a_refused_item_is_asked_about_again_once_its_files_are_repaired(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, folder = tmp_path / "pairs", tmp_path / "out"
    write_pairs(source, 4, 1)
    missing = source / "depth" / "frame_0002.png"
    (source / "rgb" / "._frame_0001.jpg").write_bytes(b"what macOS writes beside a picture")
    whole = missing.read_bytes()
    missing.unlink()
    arguments = [*command(source, folder, server.http_url)[6:], "--depth-units-per-metre", "1"]
    assert main(["batch", *arguments]) == 1
    said = capsys.readouterr().out
    assert said.startswith("3 answered; 1 failed") and "repair the files and give the same command again" in said
    assert "warning in 3 of 3 results: depth_unit_suspect" in said
    for more, times in (([], 1), (["--again"], 2)):
        assert main(["batch", *arguments, *more]) == 1
        begun = [line["begin"] for line in lines(folder / "journal.jsonl") if "begin" in line]
        assert (begun.count("frame_0002"), len(begun)) == (times, 3 + times)
    assert capsys.readouterr().out.count("3 answered (3 of them by earlier runs); 1 failed") == 2
    missing.write_bytes(whole)
    assert main(["batch", *arguments]) == 0
    assert capsys.readouterr().out.startswith("4 answered (3 of them by earlier runs)")
    assert lines(folder / "failures.jsonl") == []


def test_a_finished_batch_is_not_done_again_and_another_one_is_refused(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, folder = tmp_path / "pairs", tmp_path / "out"
    write_pairs(source, 10, 1)
    arguments = command(source, folder, server.http_url)[6:]
    assert main(["batch", *arguments[:-4], "--url", server.http_url]) == 1  # the only pipeline needs no name
    first = {path: path.stat().st_mtime_ns for path in (folder / "labels").iterdir()}
    capsys.readouterr()
    assert main(["batch", *arguments]) == 1
    assert capsys.readouterr().out.startswith("9 answered (9 of them by earlier runs); 1 failed")
    assert {path: path.stat().st_mtime_ns for path in (folder / "labels").iterdir()} == first
    assert main(["batch", *arguments, "--overlay"]) == 2
    assert "holds a batch with outputs = " in capsys.readouterr().err
    assert main(["batch", *arguments[:1], str(tmp_path / "drawn"), "--overlay", "--url", server.grpc_url]) == 1
    assert len(list((tmp_path / "drawn" / "overlay").iterdir())) == 9
    assert main(["batch", *arguments, "--window", "0"]) == 2
    assert "the window is 0" in capsys.readouterr().err


def test_a_batch_stops_when_the_server_is_gone_and_says_so(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "pairs", 10, 1)
    arguments = ["batch", str(tmp_path / "pairs"), str(tmp_path / "out"), "--url", "grpc://127.0.0.1:9"]
    assert main([*arguments, "--timeout", "0.3"]) == 2
    captured = capsys.readouterr().err
    assert captured.count("\n") == 1 and "grpc://127.0.0.1:9" in captured


def test_without_a_url_the_batch_starts_a_server_of_its_own(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 8, 1)
    shutil.copytree(REPOSITORY / "rooms_cen", tmp_path / "networks" / "rooms_cen")
    words = command(tmp_path / "pairs", tmp_path / "out", "")[:-4]
    run = subprocess.run([*words, "--repository", str(tmp_path / "networks")], capture_output=True, text=True)
    assert (run.returncode, len(list((tmp_path / "out/labels").iterdir()))) == (1, 7), run.stderr
    run = subprocess.run([*words, "--repository", str(tmp_path / "nothing")], capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.count("\n") == 1 and "nothing" in run.stderr


def test_items_are_pairs_of_equal_stems_clips_or_lines(tmp_path: Path) -> None:
    pair = pipeline("rgb_image", "depth_image")
    write_pairs(tmp_path / "pairs", 4, 1)
    (tmp_path / "pairs" / "rgb" / "frame_0001.png").touch()
    (tmp_path / "pairs" / "rgb" / "frame_0001.jpg").touch()
    (tmp_path / "pairs" / "rgb" / "notes.txt").touch()
    items = find_items(tmp_path / "pairs", pair).items
    assert [item.stem for item in items] == [f"frame_{index:04}" for index in range(4)]
    assert [bool(item.problem) for item in items] == [False, True, False, False]
    for name in ("b.mp4", "a.webm", "notes.txt"):
        (tmp_path / name).touch()
    assert [item.stem for item in find_items(tmp_path, pipeline("clip")).items] == ["a", "b"]
    listing = tmp_path / "list.txt"
    listing.write_text("# two\nx/room_0.rgb.jpg x/room_0.depth.png\n\na file.png\tb file.png\n")
    assert [item.stem for item in find_items(listing, pair).items] == ["a file", "room_0"]
    assert find_items(listing, pair).items[0].files["depth_image"] == tmp_path / "b file.png"


def test_an_input_without_a_folder_is_absent_and_one_without_a_file_is_a_mistake(tmp_path: Path) -> None:
    pair = pipeline("rgb_image", "depth_image")
    may = dataclasses.replace(pair, inputs=tuple(dataclasses.replace(one, optional=True) for one in pair.inputs))
    write_pairs(tmp_path, 3, 1)
    (tmp_path / "depth" / "frame_0002.png").unlink()
    assert [bool(item.problem) for item in find_items(tmp_path, may).items] == [False, False, True]
    shutil.rmtree(tmp_path / "depth")
    assert [(list(item.files), item.problem) for item in find_items(tmp_path, may).items] == [(["rgb_image"], "")] * 3
    assert all(item.problem for item in find_items(tmp_path, pair).items)


def test_clips_are_a_batch_too(small: Any, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for name, data in (("a.mkv", clip()), ("b.mkv", clip(sounds=0)), ("c.avi", b"no clip")):
        (tmp_path / "clips" / name).write_bytes(data)
    words = ["batch", str(tmp_path / "clips"), str(tmp_path / "out"), "--pipeline", "events_small_clip"]
    assert main([*words, "--url", small.grpc_url]) == 1
    first, second = lines(tmp_path / "out" / "results.jsonl")
    assert (first["modalities"], second["modalities"]) == ("frames+waveform", "frames")
    assert sum(first["probabilities"]) == pytest.approx(1) and sorted(first["top_labels"]) == sorted(EVENTS)
    assert first["summary"]["classes"][0]["name"] == first["top_labels"][0]
    (failure,) = lines(tmp_path / "out" / "failures.jsonl")
    assert failure["stem"] == "c" and "is no MP4" in failure["reason"]


def test_a_translation_is_a_batch_too(small: Any, tmp_path: Path) -> None:
    for name, data in (("texture", png()), ("shade", png()), ("depth", depth_png())):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "one.png").write_bytes(data)
    words = ["batch", str(tmp_path / "in"), str(tmp_path / "out"), "--pipeline", "rooms_small_image"]
    assert main([*words, "--url", small.http_url]) == 0
    (only,) = lines(tmp_path / "out" / "results.jsonl")
    assert "edge" in only["files"] and all((tmp_path / "out" / name).is_file() for name in only["files"].values())


def test_a_recording_is_a_batch_too_with_its_own_unit(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tum(tmp_path / "desk", 5)
    assert main(["batch", str(tmp_path / "desk"), str(tmp_path / "out"), "--url", server.grpc_url]) == 0
    assert f"; {LONELY} colour images had no depth close enough in time" in capsys.readouterr().out
    recording = read_sequence(tmp_path / "desk", pipeline("rgb_image", "depth_image"))
    results = lines(tmp_path / "out" / "results.jsonl")
    assert [line["stem"] for line in results] == [frame.name for frame in recording.frames]
    (first,) = lines(tmp_path / "out" / "journal.jsonl")[:1]
    assert first["batch"]["depth_units_per_metre"] == 5000.0
    words = ["batch", str(tmp_path / "desk"), str(tmp_path / "far"), "--url", server.grpc_url, "--longest-gap", "22"]
    assert main(words) == 0
    assert len(lines(tmp_path / "far" / "results.jsonl")) == 5 + LONELY
    with pytest.raises(InputError, match="is a recording of colour and depth, pipeline 'p' takes clip"):
        find_items(tmp_path / "desk", pipeline("clip"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a.png\n", "list.txt:1 names 1 files; each line needs 2: rgb, depth"),
        ("a.png b.png\na.png c.png\n", "2 items are named 'a'"),
        ("# nothing\n", "holds nothing for pipeline 'p'"),
    ],
)
def test_a_list_that_makes_no_batch_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=complaint):
        find_items(tmp_path / "list.txt", pipeline("rgb_image", "depth_image"))
    with pytest.raises(InputError, match="neither a folder nor a list file"):
        find_items(tmp_path / "gone", pipeline("rgb_image"))


def test_a_torn_last_line_of_a_journal_is_forgotten(tmp_path: Path) -> None:
    with ProgressLog(tmp_path, {"pipeline": "p"}) as journal:
        journal.begin("a")
        journal.end("a", {"stem": "a"})
        journal.fail("b", {"stem": "b"}, final=True, files={})
        journal.fail("c", {"stem": "c"}, final=False, files={})
    whole = (tmp_path / "journal.jsonl").read_bytes()
    (tmp_path / "journal.jsonl").write_bytes(whole + b'{"done": "d", "sa')
    with ProgressLog(tmp_path, {"pipeline": "p"}) as journal:
        assert (set(journal.done), set(journal.failed)) == ({"a"}, {"b"})
        with pytest.raises(InputError, match="another process is at work on"):
            ProgressLog(tmp_path, {"pipeline": "p"})
    assert (tmp_path / "journal.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    "torn", [b'{"done": "b", "sa{"begin": "x"}\n', b"5\n", b'{"x": 1}\n', b'{"done": []}\n', b"\xff\n"]
)
def test_a_torn_line_within_a_journal_loses_only_what_it_said(torn: bytes, tmp_path: Path) -> None:
    with ProgressLog(tmp_path, {"pipeline": "p"}) as journal:
        journal.end("a", {"stem": "a"})
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(torn)
    for _ in range(2):
        with ProgressLog(tmp_path, {"pipeline": "p"}) as journal:
            journal.end("c", {"stem": "c"})
    with ProgressLog(tmp_path, {"pipeline": "p"}) as journal:
        assert (set(journal.done), set(journal.failed)) == ({"a", "c"}, set())


def test_a_line_that_the_disk_took_in_part_is_cut_off_so_that_the_next_stands_alone(tmp_path: Path) -> None:
    with ProgressLog(tmp_path, {"pipeline": "p"}) as journal:
        journal.end("a", {"stem": "a"})
        whole = (tmp_path / "journal.jsonl").read_bytes()
        for room in (10, 0):
            with files_of_at_most(len(whole) + room), pytest.raises(OutputError, match="make room and start again"):
                journal.end("b", {"stem": "b"})
            assert (tmp_path / "journal.jsonl").read_bytes() == whole
        journal.end("c", {"stem": "c"})
    with ProgressLog(tmp_path, {"pipeline": "p"}) as journal:
        assert set(journal.done) == {"a", "c"}


@pytest.mark.parametrize(
    "text", ["5", "5\n", '{"x": 1}\n', '{"batch": 1}\n', '{"batch": {"pipel{"begin": "a"}\n', "notes\n"]
)
def test_a_file_that_is_no_journal_is_refused_and_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text(text)
    for _ in range(2):
        with pytest.raises(InputError, match="is no progress log of a batch; name another folder, or remove the file"):
            ProgressLog(tmp_path, {"pipeline": "p"})
    assert (tmp_path / "journal.jsonl").read_text() == text


@pytest.mark.parametrize("text", ["", '{"ba', '{"batch": {"pipel'])
def test_a_journal_whose_first_line_is_torn_begins_again(text: str, tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text(text)
    with ProgressLog(tmp_path, {"pipeline": "p"}):
        assert lines(tmp_path / "journal.jsonl") == [{"batch": {"pipeline": "p"}}]
