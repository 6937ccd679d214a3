"""Offline batches from and to a store that speaks like Google's, on this machine: the same as from and to a disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crosswire.offline.stores import open_store, read_file
from crosswire.serving.processes.process_table import listeners_on
from tests.soak.offline.ray_cluster import command, files_of, run
from tests.support.guides import free_port
from tests.support.offline.sources import pair_members, parquet_bytes, tar_bytes, write_folder
from tests.support.servers.real import depth_png, jpeg, wait_until

PAIRS = {f"walk/{index}": (jpeg(160, 120), depth_png(160, 120, 1500 + index)) for index in range(39)} | {
    "walk/broken": (b"no image", depth_png(160, 120, 1500))
}


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket."""
    port = free_port()
    words = [
        "gcp_storage_emulator",
        "start",
        "--host=127.0.0.1",
        f"--port={port}",
        "--in-memory",
        "--default-bucket=data",
    ]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    with subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: bool(listeners_on(port)))
            yield "gs://data"
        finally:
            server.kill()


def test_a_batch_on_google_s_store_is_that_of_a_disk(google: str, tmp_path: Path) -> None:
    run(command(write_folder(tmp_path / "pairs", PAIRS), tmp_path / "disk", "in-process"))
    store = open_store(google)
    for item, (rgb, depth) in PAIRS.items():
        store.write(f"folder/rgb/{item}.jpg", rgb)
        store.write(f"folder/depth/{item}.png", depth)
    store.write("parquet/0.parquet", parquet_bytes(PAIRS, 16))
    store.write("tar/0.tar", tar_bytes(pair_members(PAIRS)))
    for kind in ("folder", "parquet", "tar"):
        words = command(f"{google}/{kind}", f"{google}/out/{kind}", "in-process")
        assert run(words).startswith("39 answered; 1 failed"), kind
        assert "39 answered (39 of them by earlier runs); 1 failed" in run(words)
        made = open_store(f"{google}/out/{kind}")
        labels = {name: read_file(made, name) for name in made.names("labels")}
        assert labels == files_of(tmp_path / "disk")
        made.remove(min(labels))
        assert "(38 of them by earlier runs)" in run(words)
        assert read_file(made, min(labels)) == labels[min(labels)]
