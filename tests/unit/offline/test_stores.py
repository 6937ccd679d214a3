"""Stores: the same files by the same names on a disk and behind an address, whole or not at all."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crosswire.clients.errors import InputError, OutputError
from crosswire.offline.stores import open_store, read_file

PLACES: dict[str, Callable[[Path], str]] = {
    "folder": str,
    "file": lambda folder: f"file://{folder}",
    "fsspec": lambda folder: f"memory://{uuid.uuid4().hex}/deep",
}


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_written_is_listed_read_and_removed(kind: str, tmp_path: Path) -> None:
    place = PLACES[kind](tmp_path)
    store = open_store(place)
    assert store.names() == {} and store.names("nothing") == {} and store.state("a") is None
    store.write("labels/b/2.png", b"two")
    store.write("labels/1.png", b"one")
    store.write("labels/1.png", b"one again")
    store.write("other", b"")
    again = open_store(store.place)
    assert list(again.names()) == ["labels/1.png", "labels/b/2.png", "other"]
    assert list(again.names("labels/b")) == ["labels/b/2.png"]
    assert read_file(again, "labels/1.png") == b"one again"
    state = again.state("labels/1.png")
    assert state is not None and state.size == 9 and again.names()["labels/1.png"] == state
    with again.open("labels/1.png") as file:
        file.seek(4)
        assert file.read(3) == b"aga"
    again.remove("other")
    again.remove("other")
    assert list(again.names()) == ["labels/1.png", "labels/b/2.png"]
    with pytest.raises(InputError, match=r"nothing\.png cannot be read"):
        read_file(again, "nothing.png")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="name a place that you may write to"):
        open_store(str(tmp_path / "file")).write("labels/1.png", b"one")


def test_an_address_that_nothing_opens_is_named() -> None:
    with pytest.raises(InputError, match="nosuch://bucket cannot be opened"):
        open_store("nosuch://bucket")


def test_an_emulator_of_google_s_store_is_asked_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make soak` runs whole batches on one; this one knows of no file."""
    asked: list[tuple[str, str | None]] = []

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path.partition("?")[0], self.headers["Authorization"]))
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}/")
        assert open_store("gs://frames/2026").state("a.jpg") is None
        server.shutdown()
    assert asked and {key for _, key in asked} == {None}
    assert any("frames" in path for path, _ in asked)
