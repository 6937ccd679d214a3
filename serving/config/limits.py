"""Every limit on what a request may hold, in one place (standard library only: the steps import it)."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

MEDIA_VARIABLE = "CROSSWIRE_MEDIA_LIMITS"


@dataclass(frozen=True)
class ImageLimits:
    """Limits on one encoded image.

    Attributes:
        encoded_bytes: largest file.
        pixels: largest width x height, checked in the header before anything is decoded.
        side: largest width or height.
        aspect_tolerance: how far the aspect ratios of a registered pair may differ, relative.
        units_per_metre: smallest and largest scale of a depth image.
    """

    encoded_bytes: int = 64 << 20
    pixels: int = 32_000_000
    side: int = 32_768
    aspect_tolerance: float = 0.01
    units_per_metre: tuple[float, float] = (1e-3, 1e6)


@dataclass(frozen=True)
class WorkerLimits:
    """Limits on one call of a worker process that decodes media.

    Attributes:
        cpu_seconds: most processor time.
        wall_seconds: longest time, however busy the machine is.
        memory_bytes: most memory beyond what the worker has after its start.
        arena_bytes: most bytes of arguments and result together.
    """

    cpu_seconds: int = 20
    wall_seconds: float = 60.0
    memory_bytes: int = 1 << 30
    arena_bytes: int = 512 << 20


@dataclass(frozen=True)
class ClipLimits:
    """Limits on one clip, checked in its header and again while it is decoded.

    Attributes:
        encoded_bytes: largest file.
        seconds: longest clip.
        pixels: largest width x height of a frame.
        side: largest width or height of a frame.
        streams: most streams.
        decoded_frames: most frames that are decoded to find those that a network sees.
        sample_rate: most samples per second.
    """

    encoded_bytes: int = 64 << 20
    seconds: float = 600.0
    pixels: int = 4096 * 2304
    side: int = 8192
    streams: int = 8
    decoded_frames: int = 3000
    sample_rate: int = 192_000


@dataclass(frozen=True)
class MediaLimits:
    """Limits on what is decoded, as the supervisor hands them to steps and their workers: by `MEDIA_VARIABLE`."""

    images: ImageLimits = field(default_factory=ImageLimits)
    clips: ClipLimits = field(default_factory=ClipLimits)

    @classmethod
    def chosen(cls) -> MediaLimits:
        """Return what the environment of this process says, the defaults if it says nothing."""
        text = os.environ.get(MEDIA_VARIABLE)
        if text is None:
            return cls()
        table = json.loads(text)
        smallest, largest = table["images"].pop("units_per_metre")
        return cls(ImageLimits(**table["images"], units_per_metre=(smallest, largest)), ClipLimits(**table["clips"]))

    def as_variable(self) -> str:
        """Return the text for `MEDIA_VARIABLE`."""
        return json.dumps(asdict(self))


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
        held_bytes: most bytes of bodies that are held at once; further ones get 503. A message of gRPC counts once it
            has come whole.
        read_seconds: longest time for the whole body to arrive.
        stream_seconds: longest silence of a gRPC stream.
        infer_seconds: longest time for Triton to answer.
        drain_seconds: longest time to answer what was taken before a stop.
    """

    body_bytes: int = 128 << 20
    json_bytes: int = 16 << 20
    json_containers: int = 2_000_000
    json_depth: int = 32
    tensors: int = 64
    name_characters: int = 256
    parameters: int = 64
    concurrent: int = 32
    held_bytes: int = 512 << 20
    read_seconds: float = 60.0
    stream_seconds: float = 300.0
    infer_seconds: float = 120.0
    drain_seconds: float = 5.0


@dataclass(frozen=True)
class QueueLimits:
    """Limits on what waits in a batcher of Triton's: before a network on a GPU, or wherever any of this is chosen.

    Attributes:
        requests: most requests; further ones get 503.
        seconds: longest wait; later ones get 503.
    """

    requests: int = 64
    seconds: float = 30.0
