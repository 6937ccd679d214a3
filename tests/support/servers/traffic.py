"""Mixed traffic for a server: all pipelines, both protocols, good, damaged, large, cancelled, slow, and streams."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import cache

import grpc
import httpx
from tritonclient.grpc.service_pb2 import ModelInferRequest, ModelStreamInferResponse

from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.wire import RawTensor, infer_request, pack_bytes
from tests.support.hostile.mutations import damaged
from tests.support.servers.real import depth_png, jpeg
from tests.support.small_clips import clip

_SERVICE = "/inference.GRPCInferenceService"
_CANCEL_SECONDS, _PATIENCE_SECONDS = 0.01, 120.0
_SLOW_AT_ONCE, _STREAMED = 12, 3
_QUESTIONS = ("/metrics", "/v1/pipelines", "/openapi.json", "/v2/models/stats", "/v2", "/")


class Traffic:
    """Clients, each in a thread of its own, while a `with` block runs.

    Attributes:
        sent: how many requests came to an end so far.
        outcomes: how often each kind of request ended how.
        faults: what ended as it must not; a good request that failed above all.
        seconds: times of good requests since somebody took them out.
    """

    def __init__(self, server: EmbeddedServer, clients: int, seed: int) -> None:
        """Prepare; nothing is sent yet."""
        self.sent = 0
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.faults: list[str] = []
        self.seconds: deque[float] = deque()
        self._server, self._over = server, threading.Event()
        self._described = httpx.get(f"{server.http_url}/v1/pipelines", timeout=60).json()["pipelines"]
        self._slow: deque[socket.socket] = deque()
        self._threads = [threading.Thread(target=self._work, args=(seed + index,)) for index in range(clients)]

    def __enter__(self) -> Traffic:
        """Start sending."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for the last answers."""
        self._over.set()
        for thread in self._threads:
            thread.join(2 * _PATIENCE_SECONDS)
        for connection in self._slow:
            connection.close()

    def _work(self, seed: int) -> None:
        """Send one request after the other."""
        draws, target = random.Random(seed), self._server.grpc_url.removeprefix("grpc://")
        own = [("grpc.use_local_subchannel_pool", 1)]
        with (
            httpx.Client(base_url=self._server.http_url, timeout=_PATIENCE_SECONDS) as web,
            grpc.insecure_channel(target, options=own) as channel,
        ):
            kinds: tuple[tuple[int, str, Callable[[], str], tuple[str, ...]], ...] = (
                (30, "form", lambda: self._form(web, draws, large=False), ("200",)),
                (30, "call", lambda: self._call(channel, draws), ("OK",)),
                (3, "large form", lambda: self._form(web, draws, large=True), ("200",)),
                (10, "damaged", lambda: self._damaged(web, draws), ("200", "400")),
                (6, "stream", lambda: self._stream(channel, draws), ("OK",)),
                (6, "question", lambda: str(web.get(draws.choice(_QUESTIONS)).status_code), ("200",)),
                (6, "cancelled call", lambda: self._cancelled(channel, draws), ("CANCELLED", "OK")),
                (5, "client that leaves", lambda: self._leave(draws), ("left",)),
                (4, "slow client", lambda: self._begin(draws), ("begun",)),
            )
            weights = [weight for weight, *_ in kinds]
            while not self._over.is_set():
                _, kind, send, right = draws.choices(kinds, weights)[0]
                began = time.monotonic()
                try:
                    outcome = send()
                except (httpx.HTTPError, grpc.RpcError) as error:
                    outcome = repr(error)[:300]
                self.outcomes[kind, outcome[:80]] += 1
                if outcome not in right:
                    self.faults.append(f"{kind}: {outcome}")
                if kind in ("form", "call"):
                    self.seconds.append(time.monotonic() - began)
                self.sent += 1

    def _files(self, draws: random.Random, large: bool) -> tuple[str, dict[str, bytes], dict[str, bytes]]:
        """Return a pipeline, and whole files for it by the names of fields and of tensors."""
        pipeline = draws.choice(self._described)
        inputs = [one for one in pipeline["inputs"] if one["kind"] == "file"]
        files = {one["field"]: _file(one["field"], large) for one in inputs}
        return pipeline["name"], files, {one["tensor"]: files[one["field"]] for one in inputs}

    def _form(self, web: httpx.Client, draws: random.Random, *, large: bool) -> str:
        """Send a form."""
        name, files, _ = self._files(draws, large)
        return str(web.post(f"/v1/pipelines/{name}", files=files).status_code)

    def _damaged(self, web: httpx.Client, draws: random.Random) -> str:
        """Send a form with a damaged file."""
        file = damaged(1, draws.randrange(1 << 30))
        name, files, _ = self._files(draws, large=False)
        while file.part not in files:
            name, files, _ = self._files(draws, large=False)
        return str(web.post(f"/v1/pipelines/{name}", files={**files, file.part: file.data}).status_code)

    def _message(self, draws: random.Random) -> bytes:
        """Return an inference as gRPC carries it."""
        name, _, tensors = self._files(draws, large=False)
        request = infer_request(
            name, [RawTensor(tensor, "BYTES", (1, 1), pack_bytes([data])) for tensor, data in tensors.items()]
        )
        return bytes(request.SerializeToString())

    def _call(self, channel: grpc.Channel, draws: random.Random) -> str:
        """Make a call."""
        channel.unary_unary(f"{_SERVICE}/ModelInfer")(self._message(draws), timeout=_PATIENCE_SECONDS)
        return "OK"

    def _stream(self, channel: grpc.Channel, draws: random.Random) -> str:
        """Open a stream for some inferences, of which the last is malformed."""
        messages = [self._message(draws) for _ in range(_STREAMED)]
        answers = channel.stream_stream(f"{_SERVICE}/ModelStreamInfer")(
            iter([*messages, ModelInferRequest(model_name="nothing").SerializeToString()]), timeout=_PATIENCE_SECONDS
        )
        errors = [bool(ModelStreamInferResponse.FromString(answer).error_message) for answer in answers]
        return "OK" if errors == [False] * _STREAMED + [True] else f"errors {errors}"

    def _cancelled(self, channel: grpc.Channel, draws: random.Random) -> str:
        """Make a call and cancel it soon."""
        call = channel.unary_unary(f"{_SERVICE}/ModelInfer").future(self._message(draws), timeout=_PATIENCE_SECONDS)
        time.sleep(draws.uniform(0, _CANCEL_SECONDS))
        call.cancel()
        return str(call.code().name)

    def _connect(self) -> socket.socket:
        """Open a connection."""
        host, port = self._server.http_url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=_PATIENCE_SECONDS)

    def _leave(self, draws: random.Random) -> str:
        """Send a form and leave before its answer."""
        name, files, _ = self._files(draws, large=False)
        request = httpx.Request("POST", f"{self._server.http_url}/v1/pipelines/{name}", files=files)
        head = "".join(f"{key}: {value}\r\n" for key, value in request.headers.items())
        with self._connect() as connection:
            connection.sendall(f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode() + request.read())
        return "left"

    def _begin(self, draws: random.Random) -> str:
        """Begin a request that never comes whole, and end one that was begun before."""
        name = draws.choice(self._described)["name"]
        head = f"POST /v1/pipelines/{name} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf a body"
        connection = self._connect()
        connection.sendall(head[: draws.randrange(1, len(head))].encode())
        self._slow.append(connection)
        with contextlib.suppress(IndexError):
            while len(self._slow) > _SLOW_AT_ONCE:
                self._slow.popleft().close()
        return "begun"


@cache
def _file(field: str, large: bool) -> bytes:
    """Return a whole file for a field."""
    width, height = (3000, 2250) if large else (320, 240)
    if field == "clip":
        return clip(seconds=4 if large else 0.5)
    return depth_png(width, height) if field == "depth" else jpeg(width, height)
