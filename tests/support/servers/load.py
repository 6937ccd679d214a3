"""Clients that send pairs of pictures without a pause, and what became of every request."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from typing import Protocol

import httpx
from tritonclient.utils import InferenceServerException

from tests.support.servers.real import PIPELINE, depth_png, infer_pictures, jpeg

RGB, DEPTH = jpeg(320, 240), depth_png(320, 240)
_RETRY_SECONDS = 150.0
_PAUSE_SECONDS = 0.05


class Served(Protocol):
    """Where a server is, or several behind one address."""

    @property
    def http_url(self) -> str:
        """`http://host:port`."""

    @property
    def grpc_url(self) -> str:
        """`grpc://host:port`."""


class Load:
    """Four clients, two by gRPC and two by HTTP, while a `with` block runs.

    Attributes:
        outcomes: how often each status came: `OK`, or the error's text.
        answers: hashes of the label pictures that came; one if no answer was wrong.
        lost: requests that were never answered although they were sent again and again.
    """

    def __init__(self, server: Served) -> None:
        """Prepare; nothing is sent yet."""
        self.outcomes: Counter[str] = Counter()
        self.answers: set[str] = set()
        self.lost = 0
        self._server, self._over = server, threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(ask,)) for ask in (self._grpc, self._http) * 2]

    def _work(self, ask: object) -> None:
        """Send one request after the other; each again until it is answered."""
        assert callable(ask)
        while not self._over.is_set():
            deadline = time.monotonic() + _RETRY_SECONDS
            while (status := ask()) != "OK" and time.monotonic() < deadline:
                self.outcomes[status] += 1
                time.sleep(_PAUSE_SECONDS)
            self.outcomes["OK"] += status == "OK"
            self.lost += status != "OK"

    def _grpc(self) -> str:
        """Ask by gRPC."""
        try:
            labels = infer_pictures(self._server, [RGB], [DEPTH]).as_numpy("labels_png")[0, 0]
        except InferenceServerException as error:
            return str(error.status())
        self.answers.add(hashlib.sha256(labels).hexdigest())
        return "OK"

    def _http(self) -> str:
        """Ask with a form."""
        url = f"{self._server.http_url}/v1/pipelines/{PIPELINE}?output=labels"
        try:
            answer = httpx.post(url, files={"rgb": RGB, "depth": DEPTH}, headers={"Accept": "image/png"}, timeout=120)
        except httpx.TransportError as error:
            return type(error).__name__
        if answer.status_code == 200:
            self.answers.add(hashlib.sha256(answer.content).hexdigest())
        return "OK" if answer.status_code == 200 else str(answer.status_code)

    def __enter__(self) -> Load:
        """Start sending, and wait until every client has been answered."""
        for thread in self._threads:
            thread.start()
        while self.outcomes["OK"] < 2 * len(self._threads):
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and wait for the last answers."""
        self._over.set()
        for thread in self._threads:
            thread.join(2 * _RETRY_SECONDS)
