"""Results of all tasks keep one protocol, and save exactly the files that the commands leave."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crosswire.clients import Predictor, Result
from crosswire.clients.__main__ import main
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import depth_png, png
from tests.support.small_clips import clip

PIPELINES = {
    "segmentation": "rooms_absent_image",
    "translation": "rooms_small_image",
    "classification": "events_small_clip",
}
DOMAINS = ("texture", "shade")


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """A colour image, its depth and a clip."""
    files = {"room.png": png(), "room.depth.png": depth_png(), "bell.mkv": clip()}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in files}


def words(task: str, inputs: dict[str, Path]) -> list[str]:
    """Return what the command is told for a task."""
    room, depth = str(inputs["room.png"]), str(inputs["room.depth.png"])
    given = {
        "segmentation": [room, depth],
        "translation": [word for name in DOMAINS for word in ("--input", f"{name}={room}")]
        + ["--input", f"depth={depth}"],
        "classification": [str(inputs["bell.mkv"])],
    }
    return ["predict", *given[task], "--pipeline", PIPELINES[task]]


def ask(task: str, predictor: Predictor, inputs: dict[str, Path]) -> Result:
    """Ask the same from Python."""
    room, depth, pipeline = inputs["room.png"], inputs["room.depth.png"], PIPELINES[task]
    asked: dict[str, Callable[[], Result]] = {
        "segmentation": lambda: predictor.segment(room, depth, pipeline=pipeline),
        "translation": lambda: predictor.translate({**dict.fromkeys(DOMAINS, room), "depth": depth}, pipeline=pipeline),
        "classification": lambda: predictor.classify(inputs["bell.mkv"], pipeline=pipeline),
    }
    return asked[task]()


def content(path: Path) -> Any:
    """Return what a file says: JSON with its floating point numbers rounded, any other file as it is."""
    if path.suffix != ".json":
        return path.read_bytes()
    return json.loads(re.sub(r"\d+\.\d+(e-\d+)?", lambda found: f"{float(found[0]):.4f}", path.read_text()))


@pytest.mark.parametrize("task", PIPELINES)
def test_a_result_saves_exactly_what_the_command_writes(
    task: str, small: EmbeddedServer, inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_command, saved = tmp_path / "command", tmp_path / "saved"
    assert main([*words(task, inputs), "--url", small.grpc_url, "--out", str(by_command), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    with Predictor(small.grpc_url) as predictor:
        result = ask(task, predictor, inputs)
    files = result.save(saved, "bell" if task == "classification" else "room")
    assert set(files) == set(printed["files"]) and set(files.values()) == set(saved.iterdir())
    names = sorted(path.name for path in saved.iterdir())
    assert names == sorted(path.name for path in by_command.iterdir()) and len(names) >= 2
    for name in names:
        assert content(saved / name) == content(by_command / name), name
    assert json.loads(json.dumps(result.figures())).keys() <= printed.keys()
    assert printed["warnings"] == list(result.warnings) and result.pipeline == printed["pipeline"]
    assert set(printed["timings"]) == set(vars(result.timings)) and result.as_lines()


@pytest.mark.parametrize("task", PIPELINES)
def test_an_item_of_a_batch_is_a_result_that_saves_what_the_command_writes(
    task: str, small: EmbeddedServer, inputs: dict[str, Path], tmp_path: Path
) -> None:
    from crosswire.clients.batch.items import Item
    from crosswire.clients.batch.work import item_request, wanted_outputs

    room, depth = inputs["room.png"], inputs["room.depth.png"]
    named = {
        "segmentation": {"rgb_image": room, "depth_image": depth},
        "translation": {**{f"{name}_image": room for name in DOMAINS}, "depth_image": depth},
        "classification": {"clip": inputs["bell.mkv"]},
    }[task]
    source = tmp_path / "list.txt"
    source.write_text("\t".join(map(str, named.values())) + "\n")
    by_command, saved = tmp_path / "command", tmp_path / "saved"
    common = ["--pipeline", PIPELINES[task], "--url", small.grpc_url]
    assert main(["batch", str(source), str(by_command), *common]) == 0
    (line,) = map(json.loads, (by_command / "results.jsonl").read_text().splitlines())
    with Predictor(small.grpc_url) as predictor:
        pipeline = predictor.named_pipeline(PIPELINES[task])
        result: Result = predictor.ask(
            item_request(Item(line["stem"], named), pipeline, wanted_outputs(pipeline, False), None)
        )
    files = result.save(saved, line["stem"])
    assert {kind: str(path.relative_to(saved)) for kind, path in files.items()} == line["files"]
    assert all(path.read_bytes() == (by_command / line["files"][kind]).read_bytes() for kind, path in files.items())
    assert {"stem", "files", *result.figures()} == set(line) and result.timings.attempts == 1
