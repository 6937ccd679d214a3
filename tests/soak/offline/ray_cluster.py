"""Offline batches on a Ray cluster of two nodes: as fast as a loop, and nothing lost or doubled when a node dies."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.guides import free_port
from tests.support.offline.ray_nodes import two_nodes
from tests.support.offline.sources import pair_members, parquet_bytes, table_rows, write_folder
from tests.support.paths import ROOT
from tests.support.servers.real import depth_png, jpeg, wait_until

PAIRS, LARGE, IN_FLIGHT = 2000, 250, 200
PIPELINE = "rooms_cen_int8_image"
COMPARED = ("item", "files", "shares", "warnings", "figures", "error", "reason")


def pairs() -> dict[str, tuple[bytes, bytes]]:
    """Return pairs of 160 x 120, one of them broken."""
    colour = [jpeg(160, 120), jpeg(160, 120, "L")]
    made = {f"walk/{index:04}": (colour[index % 2], depth_png(160, 120, 1500 + index)) for index in range(PAIRS)}
    return {**made, "walk/0007": (b"no image", made["walk/0007"][1])}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pairs as a folder."""
    return write_folder(tmp_path_factory.mktemp("pairs"), pairs())


@pytest.fixture(scope="module")
def alone(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Results of the same pairs by a loop in one process, and what it said."""
    folder = tmp_path_factory.mktemp("alone") / "out"
    done = subprocess.run(command(source, folder, "in-process"), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1, done.stderr
    return folder, done.stdout


def command(source: object, results: object, engine: str, *more: str) -> list[str]:
    words = [sys.executable, "-m", "crosswire", "batch", str(source), str(results), "--engine", engine]
    return [*words, "--pipeline", PIPELINE, *more]


def run(words: list[str], **more: Any) -> str:
    """Run a batch to its end; return what it says."""
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, **more)
    assert done.returncode == 1, done.stderr
    return done.stdout


def rate(said: str) -> float:
    return float(re.findall(r"([\d.]+) a second once loaded", said)[0])


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in (folder / "labels").rglob("*.png")}


def rows_of(folder: Path) -> list[list[Any]]:
    return [[row[name] for name in COMPARED] for row in table_rows(folder)]


def assert_same_results(folder: Path, other: Path) -> None:
    """Fail unless two batches ended with one row and one file per item, and with the same ones."""
    rows = table_rows(folder)
    assert [row["item"] for row in rows] == sorted(pairs())
    assert [row["item"] for row in rows if row["error"]] == ["walk/0007"]
    assert set(files_of(folder)) == {row["files"][0][1] for row in rows if not row["error"]}
    assert rows_of(folder) == rows_of(other)
    assert files_of(folder) == files_of(other)


@pytest.mark.timeout(1800)
def test_two_workers_are_as_fast_as_a_loop_and_a_second_run_does_nothing(
    source: Path, alone: tuple[Path, str], tmp_path: Path
) -> None:
    with two_nodes() as nodes:
        words = command(source, tmp_path / "out", "ray", "--address", nodes.address)
        began = time.monotonic()
        said = run(words)
        first = time.monotonic() - began
        assert_same_results(tmp_path / "out", alone[0])
        began = time.monotonic()
        again = run(words)
        resumed = time.monotonic() - began
        assert again.startswith(f"{PAIRS - 1} answered ({PAIRS - 1} of them by earlier runs); 1 failed")
        lost = sorted(files_of(tmp_path / "out"))[:3]
        for name in lost:
            (tmp_path / "out" / name).unlink()
        assert f"({PAIRS - 4} of them by earlier runs); 1 failed" in run(words)
        assert_same_results(tmp_path / "out", alone[0])
    print(f"\nloop in one process: {alone[1]}\ntwo nodes, {first:.0f} s in all: {said}")
    print(f"ratio once loaded: {rate(said) / rate(alone[1]):.2f}; a second run: {resumed:.1f} s")
    assert rate(said) > 0 and "workers: 2, loaded in" in said and "MB at most each" in said


@pytest.mark.timeout(1800)
def test_a_node_that_is_killed_loses_and_doubles_nothing(source: Path, alone: tuple[Path, str], tmp_path: Path) -> None:
    with two_nodes() as nodes:
        words = command(source, tmp_path / "out", "ray", "--address", nodes.address, "--part", str(LARGE))
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as batch:

            def both_at_work() -> bool:
                assert batch.poll() is None, batch.communicate()
                return len(begun(tmp_path / "out")) >= 2

            wait_until(both_at_work)
            in_flight = sum(begun(tmp_path / "out").values())
            assert in_flight >= IN_FLIGHT
            nodes.kill_one()
            said, log = batch.communicate(timeout=900)
            assert batch.returncode == 1, log
        assert_same_results(tmp_path / "out", alone[0])
        print(f"\n{in_flight} in flight when a node was killed: {said}")


def begun(folder: Path) -> dict[int, int]:
    """Return how many items of each part have no row yet, of those parts of which some files are there."""
    written = Counter(int(path.stem) // LARGE for path in (folder / "labels").rglob("*.png"))
    committed = {int(row["item"].rpartition("/")[2]) // LARGE for row in table_rows(folder)}
    return {part: LARGE for part in written if part not in committed}


@contextmanager
def local_s3() -> Iterator[Any]:
    """Run a store that speaks as S3 does, on the loopback; yields a client of it."""
    import boto3

    port = free_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]) as server:
        try:
            client = boto3.client("s3")
            wait_until(lambda: is_up(client))
            client.create_bucket(Bucket="data")
            yield client
        finally:
            server.terminate()


def is_up(client: Any) -> bool:
    try:
        client.list_buckets()
    except Exception:
        return False
    return True


@pytest.mark.timeout(1800)
def test_parquet_and_webdataset_on_an_object_store_give_the_same(alone: tuple[Path, str], tmp_path: Path) -> None:
    import webdataset

    all_pairs = list(pairs().items())
    with local_s3() as client:
        for shard in range(4):
            some = dict(all_pairs[shard * PAIRS // 4 : (shard + 1) * PAIRS // 4])
            client.put_object(Bucket="data", Key=f"parquet/{shard}.parquet", Body=parquet_bytes(some, 64))
            with webdataset.TarWriter(str(tmp_path / f"{shard}.tar"), encoder=False) as writer:
                for item, (rgb, depth) in some.items():
                    writer.write({"__key__": item, "rgb.jpg": rgb, "depth.png": depth})
            client.upload_file(str(tmp_path / f"{shard}.tar"), "data", f"tar/{shard}.tar")
        assert len(pair_members(dict(all_pairs))) == 2 * PAIRS
        with two_nodes() as nodes:
            for kind in ("parquet", "tar"):
                words = command(f"s3://data/{kind}", f"s3://data/out/{kind}", "ray", "--address", nodes.address)
                said = run(words)
                print(f"\n{kind} on S3: {said}")
                began = time.monotonic()
                assert f"({PAIRS - 1} of them by earlier runs)" in run(words)
                print(f"a second run: {time.monotonic() - began:.1f} s")
                download(client, f"out/{kind}/", tmp_path / kind)
                assert_same_results(tmp_path / kind, alone[0])
                assert json.loads((tmp_path / kind / "batch.json").read_text())["source"] == f"s3://data/{kind}"


def download(client: Any, prefix: str, folder: Path) -> None:
    """Write all objects below a prefix as files."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="data", Prefix=prefix):
        for entry in page["Contents"]:
            path = folder / entry["Key"].removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.get_object(Bucket="data", Key=entry["Key"])["Body"].read())
