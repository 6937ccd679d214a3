"""HTTP, by `aiohttp` and the wire format of `tritonclient.http`; the blocking transport drives the asynchronous one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import json
import os
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import tritonclient.http as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from crosswire.clients.access import Access
from crosswire.clients.address import Address
from crosswire.clients.errors import (
    CrosswireError,
    PipelineNotFoundError,
    RequestRejectedError,
    ServerError,
    ServerOverloaded,
)
from crosswire.clients.transport.base import (
    PROBE_S,
    Tensors,
    collect,
    failed,
    late,
    names_of,
    one_line,
    unreachable,
    with_numbers,
)

_KEEP_ALIVE_S: Final = 30.0  # shorter than the server's 75 s, so that it never closes a connection just being used
_HEADER_LENGTH: Final = "Inference-Header-Content-Length"
_LONGEST_REASON: Final = 500
ResultT = TypeVar("ResultT")
_Reply = tuple[bytes, Mapping[str, str]]


class AsyncHttpTransport:
    """Connections that are kept and used again, for one event loop."""

    def __init__(self, address: Address, access: Access) -> None:
        """Remember the address; nothing is sent yet."""
        self._address, self._access = address, access
        self._made: aiohttp.ClientSession | None = None

    async def infer(
        self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float
    ) -> dict[str, NDArray[Any]]:
        """Run a model; see `Transport.infer`."""
        data, answered = await self.repeated(model, inputs, outputs, timeout)()
        try:
            length = None if _HEADER_LENGTH not in answered else int(answered[_HEADER_LENGTH])
            result = triton.InferenceServerClient.parse_response_body(data, header_length=length)
            return collect(result, outputs, self._address)
        except (InferenceServerException, ValueError, KeyError, TypeError) as error:
            raise failed(self._address, f"its response cannot be read ({error})") from error

    def repeated(
        self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float
    ) -> Callable[[], Awaitable[_Reply]]:
        """Prepare a request; see `AsyncTransport.repeated`."""
        sent = []
        for name, array in inputs.items():
            tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
            sent.append(tensor.set_data_from_numpy(array, binary_data=True))
        wanted = [triton.InferRequestedOutput(name, binary_data=True) for name in outputs]
        body, json_length = triton.InferenceServerClient.generate_request_body(sent, outputs=wanted)
        headers = {} if json_length is None else {_HEADER_LENGTH: str(json_length)}
        return lambda: self._call("POST", f"{_model(model)}/infer", timeout, body, headers)

    async def config(self, model: str, timeout: float) -> dict[str, Any]:
        """Return a model's configuration; see `Transport.config`."""
        found = await self._json(f"{_model(model)}/config", timeout)
        return dict(found)

    async def models(self, timeout: float) -> tuple[str, ...]:
        """Return the names of all ready models; see `Transport.models`."""
        return names_of(await self.statistics(timeout))

    async def statistics(self, timeout: float, model: str = "") -> list[dict[str, Any]]:
        """Return Triton's statistics; see `Transport.statistics`."""
        found = await self._json(f"{_model(model)}/stats" if model else "/v2/models/stats", timeout)
        if not isinstance(found.get("model_stats"), list):
            raise self._unreadable("it holds no model_stats")
        return list(with_numbers(found["model_stats"]))

    async def ready(self, timeout: float) -> bool:
        """Say whether the server is ready; see `Transport.ready`."""
        try:
            await self._call("GET", "/v2/health/ready", min(timeout, PROBE_S))
        except ServerError:
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        if self._made is not None:
            await self._made.close()
            self._made = None

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._made is None:
            trusted: ssl.SSLContext | bool = self._access.context() if self._address.has_tls else True
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S, ssl=trusted)
            headers = {"Accept-Encoding": "identity", **self._access.headers}  # pictures do not get any smaller
            self._made = aiohttp.ClientSession(connector=connector, headers=headers)
        return self._made

    async def _json(self, path: str, timeout: float) -> dict[str, Any]:
        data, _ = await self._call("GET", path, timeout)
        try:
            found = json.loads(data)
        except ValueError as error:
            raise self._unreadable(error) from error
        if not isinstance(found, dict):
            raise self._unreadable(f"it is a JSON {type(found).__name__}")
        return found

    async def _call(
        self, method: str, path: str, timeout: float, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> _Reply:
        """Send a request and read the whole response before the timeout; returns body and headers."""
        limit = aiohttp.ClientTimeout(total=timeout)
        url = f"{self._address}{path}"
        sent = None if body is None else io.BytesIO(body)  # sent in pieces, so that the loop goes on meanwhile
        try:
            async with self._session.request(method, url, data=sent, headers=headers, timeout=limit) as response:
                data = await response.read()
                response.raise_for_status()
                return data, response.headers
        except asyncio.TimeoutError as error:
            raise late(self._address, timeout) from error
        except aiohttp.ClientResponseError as error:
            if error.history or error.headers is None:  # not even a status line
                raise unreachable(self._address, "its response is no HTTP") from error
            raise _translated(error.status, data, self._address, timeout) from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(self._address, _reason(error)) from error

    def _unreadable(self, reason: object) -> ServerError:
        error = failed(self._address, f"its response cannot be read ({reason})")
        error.__cause__ = ValueError(str(reason))
        return error


class HttpTransport:
    """The same for threads: the connections live in an event loop of their own."""

    def __init__(self, address: Address, access: Access) -> None:
        """Remember the address; the loop starts with the first request."""
        self._within = AsyncHttpTransport(address, access)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def infer(self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float) -> dict[str, NDArray[Any]]:
        """Run a model; see `Transport.infer`."""
        return self._run(self._within.infer(model, inputs, outputs, timeout))

    def config(self, model: str, timeout: float) -> dict[str, Any]:
        """Return a model's configuration; see `Transport.config`."""
        return self._run(self._within.config(model, timeout))

    def models(self, timeout: float) -> tuple[str, ...]:
        """Return the names of all ready models; see `Transport.models`."""
        return self._run(self._within.models(timeout))

    def statistics(self, timeout: float, model: str = "") -> list[dict[str, Any]]:
        """Return Triton's statistics; see `Transport.statistics`."""
        return self._run(self._within.statistics(timeout, model))

    def ready(self, timeout: float) -> bool:
        """Say whether the server is ready; see `Transport.ready`."""
        return self._run(self._within.ready(timeout))

    def close(self) -> None:
        """Close all connections and end the loop."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_shut(self._within), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _run(self, call: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a call in the loop and wait; an interrupt cancels it."""
        with self._lock:  # so that `close` comes before it or finds it
            future = asyncio.run_coroutine_threadsafe(call, self._running())
        try:
            return future.result()
        except concurrent.futures.CancelledError as error:
            raise CrosswireError("this predictor was closed; make a new one") from error
        finally:
            future.cancel()

    def _running(self) -> asyncio.AbstractEventLoop:
        """Return the loop, started if it does not run; `_lock` is held."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="crosswire-http", daemon=True)
            self._thread.start()
        return self._loop


async def _shut(transport: AsyncHttpTransport) -> None:
    """Cancel what is under way, then close the connections."""
    under_way = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    await transport.close()


def _model(name: str) -> str:
    return f"/v2/models/{quote(name, safe='')}"


def _reason(error: Exception) -> str:
    """Return the system's words for an error of the network."""
    if isinstance(error, aiohttp.ClientSSLError):  # its number is OpenSSL's
        return f"{error.__cause__ or error}; write http:// for a server without TLS"
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error) or type(error).__name__


def _said(body: bytes) -> str:
    """Return the reason in the body of an error."""
    try:
        reason = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        reason = body[:_LONGEST_REASON].decode("utf-8", "replace") or "it gives no reason"
    return one_line(reason)


def _translated(status: int, body: bytes, address: Address, timeout: float) -> ServerError:
    """Return our error for an HTTP status."""
    said = _said(body)
    match status:
        case 400 | 401 | 403 | 413 | 415 | 422:
            return RequestRejectedError(f"the server at {address} refuses the request: {said}")
        case 404:
            return PipelineNotFoundError(f"the server at {address} says: {said}")
        case 408 | 504:
            return late(address, timeout)
        case 429 | 503:
            return ServerOverloaded(f"the server at {address} takes no request now: {said}; try again later")
        case 502:
            return unreachable(address, said)
    return failed(address, said)
