"""The command line without a server: every mistake is one line on stderr and exit code 2."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosswire import ROOT
from crosswire.clients.__main__ import main
from crosswire.clients.errors import InputError
from crosswire.clients.sync_client import Predictor
from crosswire.clients.tasks.segmentation import segmentation_request
from crosswire.training.datasets.rooms import render
from tests.support.servers.real import depth_png, jpeg


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """Paths of a colour and a depth picture."""
    room = render(7, 0)
    Image.fromarray(room.rgb).save(tmp_path / "room.rgb.png")
    Image.fromarray((room.depth * 1000).astype(np.uint16)).save(tmp_path / "room.depth.png")
    return str(tmp_path / "room.rgb.png"), str(tmp_path / "room.depth.png")


@pytest.fixture
def nowhere() -> str:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def complaint_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command line, expect a refusal, and return its one line."""
    try:
        code = main(arguments)
    except SystemExit as leaving:
        code = leaving.code  # type: ignore[assignment]
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.startswith("error: ") and captured.err.endswith("\n") and captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["paint"], "invalid choice: 'paint'"),
        (["predict", "{rgb}", "--out", "{out}"], "came alone; name its DEPTH too, or say what it is: --input rgb="),
        (["predict", "--out", "{out}"], "0 files came; name RGB and DEPTH, or one CLIP, or --input DOMAIN=FILE"),
        (["predict", "{rgb}", "--input", "rgb={rgb}", "--out", "{out}"], "came beside --input"),
        (["predict", "--input", "texture", "--out", "{out}"], "'texture' is no DOMAIN=FILE; write for example rgb=p"),
        (
            ["predict", "--input", "rgb={rgb}", "--input", "rgb={out}", "--out", "{out}"],
            "'rgb' came twice, {rgb} and {out}; name one file for it",
        ),
        (["bench", "--input", "photo.jpg"], "'photo.jpg' is no NAME=FILE; write for example rgb=photo.jpg"),
        (["bench", "--input", "rgb=a.jpg", "--input", "rgb=b.jpg"], "'rgb' came twice, a.jpg and b.jpg"),
        (["bench", "--url", "grpc://a:1,grpc://b:1", "--turns", "5"], "names several servers; name one, or two to be"),
        (["list", "--url", "grpc://127.0.0.1:1,"], "address 2 of 2 in 'grpc://127.0.0.1:1,' is empty"),
        (["predict", "missing.mp4", "--out", "{out}"], "cannot read missing.mp4"),
        (["predict", "{rgb}", "{depth}"], "the following arguments are required: --out"),
        (["predict", "{rgb}", "{depth}", "--out", "{out}", "--timeout", "soon"], "invalid float value: 'soon'"),
        (["predict", "{rgb}", "{depth}", "--out", "{out}", "--timeout", "0"], "timeout is 0.0 s"),
        (
            ["predict", "{rgb}", "{depth}", "--out", "{out}", "--url", "host:1"],
            "does not start with grpc:// or http://",
        ),
        (["predict", "{rgb}.gone", "{depth}", "--out", "{out}"], "rgb: {rgb}.gone cannot be read"),
        (["predict", "{rgb}", "{out}", "--out", "{out}"], "depth: {out} cannot be read (Is a directory)"),
        (["predict", "{depth}", "{depth}", "--out", "{out}"], "no colour image; send a JPEG or PNG file of 8 bits"),
        (
            ["predict", "{rgb}", "{rgb}", "--out", "{out}"],
            "is an RGB picture (PNG, mode RGB); send a PNG with one channel of 16",
        ),
        (["predict", "{rgb}", "{depth}", "--out", "{rgb}"], "cannot write to the folder {rgb}"),
        (
            ["predict", "{rgb}", "{depth}", "--out", "{out}", "--depth-units-per-metre", "-5"],
            "depth_units_per_metre is -5.0",
        ),
    ],
)
def test_a_mistake_is_one_line_before_any_server_is_asked(
    arguments: list[str], complaint: str, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"rgb": pair[0], "depth": pair[1], "out": str(tmp_path / "out")}
    line = complaint_of([argument.format(**places) for argument in arguments], capsys)
    assert complaint.format(**places) in line


@pytest.mark.parametrize("scheme", ["grpc", "http"])
@pytest.mark.parametrize("command", ["predict", "list"])
def test_a_server_that_is_down_is_one_line(
    command: str, scheme: str, nowhere: str, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [command, *pair, "--out", str(tmp_path / "out")] if command == "predict" else [command]
    line = complaint_of([*arguments, "--url", f"{scheme}://{nowhere}"], capsys)
    assert f"no server answers at {scheme}://{nowhere}" in line
    assert "refused" in line


def test_as_a_process_a_mistake_leaves_one_line_and_code_2(nowhere: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "crosswire.clients", "list", "--url", f"http://{nowhere}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert run.stderr.startswith(f"error: no server answers at http://{nowhere}")


@pytest.mark.parametrize("command", [[], ["predict"], ["list"]])
def test_help_is_on_stdout_with_code_0(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([*command, "--help"])
    assert leaving.value.code == 0
    assert "usage: crosswire" in capsys.readouterr().out


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "86401", "1e300"])
@pytest.mark.parametrize("command", ["predict a.jpg b.png --out out", "batch . out", "stream .", "list", "bench"])
def test_a_timeout_that_makes_no_sense_is_refused_by_every_command(
    command: str, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--url", "grpc://127.0.0.1:1", f"--timeout={seconds}"]) == 2
    assert f"timeout is {float(seconds)} s; send a number of seconds above 0, at most 86400" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 86401.0])
def test_a_timeout_of_one_request_that_makes_no_sense_is_refused(seconds: float) -> None:
    with Predictor("grpc://127.0.0.1:1") as predictor, pytest.raises(InputError, match="timeout is"):
        predictor.ask(segmentation_request(jpeg(), depth_png()), timeout=seconds)
