"""What `crosswire bench --write` leaves for NVIDIA's tools; that they take it, `make soak` tries."""

from __future__ import annotations

import base64
import json
import shlex
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.clients.__main__ import main
from crosswire.clients.address import Address
from crosswire.clients.bench.analyzer_files import CONFIG, SCRIPT, Sample, write_analyzer_files
from crosswire.clients.errors import InputError
from tests.support.servers.real import PIPELINE

HTTP = Address.parse("http://127.0.0.1:8000")
SAMPLE = Sample(
    "rooms_image",
    {"rgb_image": np.array([[b"picture"]], np.object_), "depth_units_per_metre": np.array([[5000]], np.float32)},
)


def test_the_files_name_the_server_the_data_and_the_clients(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    write_analyzer_files(folder, HTTP, [SAMPLE], (1, 2, 8))
    (sample,) = json.loads((folder / "rooms_image.json").read_text())["data"]
    length = struct.pack("<I", len(b"picture"))
    assert base64.b64decode(sample["rgb_image"]["b64"]) == length + b"picture" and sample["rgb_image"]["shape"] == [1]
    assert sample["depth_units_per_metre"] == {"content": [5000.0], "shape": [1]}
    words = shlex.split((folder / SCRIPT).read_text().splitlines()[-1])
    assert words[words.index("-u") + 1] == "127.0.0.1:8000" and words[words.index("-m") + 1] == "rooms_image"
    assert words[words.index("--concurrency-range") + 1] == "1:8:1"
    config = json.loads((folder / CONFIG).read_text())
    assert config["triton_launch_mode"] == "remote" and config["reload_model_disable"] is True
    assert config["triton_metrics_url"] == "http://127.0.0.1:8000/metrics"
    profile = config["profile_models"]["rooms_image"]
    assert profile["parameters"]["concurrency"] == [1, 2, 8]
    assert Path(profile["perf_analyzer_flags"]["input-data"]).samefile(folder / "rooms_image.json")


def test_the_command_writes_them_for_what_a_server_offers(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "--url", server.http_url, "--write", str(tmp_path / "files"), "--size", "64x48"]
    assert main(words) == 0
    assert f"files: {PIPELINE}\n" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "files").iterdir()} == {SCRIPT, CONFIG, f"{PIPELINE}.json"}
    assert main([*words[:2], server.grpc_url, *words[3:]]) == 2
    assert "expected one of HTTP" in capsys.readouterr().err
    assert main(["bench", "--write", str(tmp_path / "files")]) == 2
    assert "name it: --url" in capsys.readouterr().err


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of HTTP"):
        write_analyzer_files(tmp_path, Address.parse("grpc://127.0.0.1:8001"), [SAMPLE], (1,))
    with pytest.raises(InputError, match="got no pipeline"):
        write_analyzer_files(tmp_path, HTTP, [], (1,))
