"""Every limit on what a request may hold, in one place (standard library only: the steps import it)."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated

from crosswire.contract.fields import PositiveFloat, PositiveInt, Range
from crosswire.contract.plain import from_plain, to_plain
from crosswire.contract.wire_names import ASPECT_TOLERANCE

MEDIA_VARIABLE = "CROSSWIRE_MEDIA_LIMITS"

#: A time that somebody or something waits, at most a day.
Seconds = Annotated[float, Range(above=0, most=86_400)]


@dataclass(frozen=True)
class ImageLimits:
    """Limits on one encoded image.

    Attributes:
        encoded_bytes: largest file.
        pixels: largest width x height, checked in the header before anything is decoded.
        side: largest width or height.
        aspect_tolerance: how far the aspect ratios of a registered pair may differ, relative.
        units_per_metre: smallest and largest scale of a depth image.
        camera_bytes: largest JSON text of a camera.
    """

    encoded_bytes: PositiveInt = 64 << 20
    pixels: Annotated[int, Range(least=1, most=178_956_970)] = 32_000_000  # Pillow refuses more
    side: PositiveInt = 32_768
    aspect_tolerance: PositiveFloat = ASPECT_TOLERANCE
    units_per_metre: tuple[PositiveFloat, PositiveFloat] = (1e-3, 1e6)
    camera_bytes: PositiveInt = 8 << 10


@dataclass(frozen=True)
class WorkerLimits:
    """Limits on one call of a worker process that decodes media.

    Attributes:
        cpu_seconds: most processor time.
        wall_seconds: longest time, however busy the machine is.
        memory_bytes: most memory beyond what the worker has after its start.
        arena_bytes: most bytes of arguments and result together.
    """

    cpu_seconds: PositiveInt = 20
    wall_seconds: Seconds = 60.0
    memory_bytes: PositiveInt = 1 << 30
    arena_bytes: PositiveInt = 512 << 20


@dataclass(frozen=True)
class ClipLimits:
    """Limits on one clip, checked in its header and again while it is decoded.

    Attributes:
        encoded_bytes: largest file.
        seconds: longest clip.
        pixels: largest width x height of a frame.
        side: largest width or height of a frame.
        streams: most streams of pictures and sound.
        decoded_frames: most frames that are decoded to find those that a network sees.
        sample_rate: most samples per second.
    """

    encoded_bytes: PositiveInt = 64 << 20
    seconds: Seconds = 600.0
    pixels: PositiveInt = 4096 * 2304
    side: PositiveInt = 8192
    streams: PositiveInt = 8
    decoded_frames: PositiveInt = 3000
    sample_rate: PositiveInt = 192_000


@dataclass(frozen=True)
class MediaLimits:
    """Limits on what is decoded, as the supervisor hands them to steps and their workers: by `MEDIA_VARIABLE`."""

    images: ImageLimits = field(default_factory=ImageLimits)
    clips: ClipLimits = field(default_factory=ClipLimits)

    @classmethod
    def chosen(cls) -> MediaLimits:
        """Return what the environment of this process says, the defaults if it says nothing."""
        text = os.environ.get(MEDIA_VARIABLE)
        return cls() if text is None else _read(text)

    def as_variable(self) -> str:
        """Return the text for `MEDIA_VARIABLE`."""
        return json.dumps(to_plain(self))


@lru_cache(maxsize=1)
def _read(text: str) -> MediaLimits:
    """Read what `MediaLimits.as_variable` wrote: once, for a worker asks with every file."""
    return from_plain(MediaLimits, json.loads(text), MEDIA_VARIABLE)


@dataclass(frozen=True)
class RequestLimits:
    """Limits on one request, over HTTP or gRPC.

    Attributes:
        body_bytes: largest body.
        json_bytes: largest JSON part of a body; bulk data belongs in the binary form.
        json_containers: most lists and objects in the JSON part.
        json_depth: deepest nesting in the JSON part.
        tensors: most inputs or outputs.
        name_characters: longest name of a model, tensor, parameter or request.
        parameters: most parameters of a request.
        concurrent: most inference requests that are held at once; further ones get 503.
        held_bytes: most bytes of whole bodies that are held at once; further ones get 503.
        arriving_bytes: most bytes of bodies of HTTP that are not whole yet; of further ones the slowest gets 503.
        peer_arrivals: most incomplete requests and idle connections from one address; of further ones the one that
            brought nothing for longest ends.
        header_seconds: longest time for headers to arrive.
        read_seconds: longest time for the whole body, or a message of gRPC, to arrive.
        stall_seconds: time in which a body must bring `slowest_bytes_per_second`, again and again.
        slowest_bytes_per_second: least rate of a body.
        stream_seconds: longest silence of a gRPC stream.
        infer_seconds: longest time for Triton to answer.
        drain_seconds: longest time to answer what was taken before a stop.
    """

    body_bytes: Annotated[int, Range(least=1, most=(1 << 31) - 1)] = 128 << 20
    json_bytes: PositiveInt = 16 << 20
    json_containers: PositiveInt = 2_000_000
    json_depth: PositiveInt = 32
    tensors: PositiveInt = 64
    name_characters: PositiveInt = 256
    parameters: PositiveInt = 64
    concurrent: PositiveInt = 32
    held_bytes: PositiveInt = 512 << 20
    arriving_bytes: PositiveInt = 512 << 20
    peer_arrivals: PositiveInt = 512
    header_seconds: Seconds = 10.0
    read_seconds: Seconds = 60.0
    stall_seconds: Seconds = 10.0
    slowest_bytes_per_second: PositiveInt = 512
    stream_seconds: Seconds = 300.0
    infer_seconds: Seconds = 120.0
    drain_seconds: Seconds = 5.0


@dataclass(frozen=True)
class QueueLimits:
    """Limits on what waits in a batcher of Triton's: before a network on a GPU, or wherever any of this is chosen.

    Attributes:
        requests: most requests; further ones get 503.
        seconds: longest wait; later ones get 503.
    """

    requests: Annotated[int, Range(least=1, most=1_000_000)] = 64
    seconds: Seconds = 30.0
