"""Two ways to load a server, see `crosswire.clients.bench`; the time is that of the event loop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from crosswire.clients.access import Access
from crosswire.clients.address import Address
from crosswire.clients.bench.figures import LoadRun, Shot
from crosswire.clients.errors import ServerError
from crosswire.clients.transport import AsyncTransport, Send, Tensors, open_async_transport


@dataclass(frozen=True, eq=False)
class Target:
    """One request to one pipeline of one server, sent again and again, without retries.

    Attributes:
        name: how reports call it.
        url: the server.
        pipeline: the model.
        steps: the models inside the pipeline.
        inputs: arrays by tensor name.
        outputs: tensors asked for.
        timeout: longest time for one request.
        transport: the way to the server.
    """

    name: str
    url: str
    pipeline: str
    steps: tuple[str, ...]
    inputs: Tensors
    outputs: tuple[str, ...]
    timeout: float
    transport: AsyncTransport

    @cached_property
    def send(self) -> Send:
        """Sends the request, which is packed once."""
        return self.transport.repeated(self.pipeline, self.inputs, self.outputs, self.timeout)

    async def shoot(self, due: float) -> Shot:
        """Send one request that is due now."""
        now = asyncio.get_running_loop().time
        sent, error = now(), ""
        try:
            await self.send()
        except ServerError as problem:
            error = type(problem).__name__
        return Shot(due, sent, now(), error)


def open_target_transport(url: str, access: Access | None = None) -> AsyncTransport:
    """Return the way to a server.

    Raises:
        AddressError: the address cannot be understood.
    """
    return open_async_transport(Address.parse(url), access)


async def closed_loop(target: Target, clients: int, seconds: float) -> LoadRun:
    """Let so many clients send one request after the other for so many seconds."""
    shots: list[Shot] = []
    now = asyncio.get_running_loop().time
    cpu, began = time.process_time(), now()

    async def client() -> None:
        while (due := now()) < began + seconds:
            shots.append(await target.shoot(due))

    await asyncio.gather(*(client() for _ in range(clients)))
    spent = time.process_time() - cpu
    return LoadRun(tuple(shots), began, seconds, spent * seconds / (now() - began))


async def open_loop(target: Target, rate: float, seconds: float, seed: int) -> LoadRun:
    """Send requests at random moments, whatever the server does.

    Args:
        target: what to send.
        rate: requests per second on average; the time between two is drawn from the exponential distribution.
        seconds: for how long.
        seed: of the draw.
    """
    now = asyncio.get_running_loop().time
    cpu, began = time.process_time(), now()
    tasks = []
    for moment in arrivals(rate, seconds, seed):
        due = began + moment
        if (pause := due - now()) > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(target.shoot(due)))
    if (rest := began + seconds - now()) > 0:
        await asyncio.sleep(rest)
    shots = await asyncio.gather(*tasks)
    spent = time.process_time() - cpu
    return LoadRun(tuple(shots), began, seconds, spent * seconds / (now() - began))


def arrivals(rate: float, seconds: float, seed: int) -> Sequence[float]:
    """Return the moments of a Poisson process, seconds after its start."""
    generator = random.Random(seed)
    moments = []
    moment = generator.expovariate(rate)
    while moment < seconds:
        moments.append(moment)
        moment += generator.expovariate(rate)
    return moments
