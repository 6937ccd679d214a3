"""The best place that runs a graph: one that cannot is left for the next with a warning, the processor comes last."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crosswire.contract.plain import from_plain, to_plain
from crosswire.serving.steps.runtime.providers.names import RTX
from crosswire.serving.steps.runtime.providers.plugin import ProviderError
from crosswire.serving.steps.runtime.providers.sessions import GraphFile, Place, open_on


@dataclass(frozen=True)
class WishedGpu:
    """What the driver tells of a GPU.

    Attributes:
        bus: its address on the PCI bus; empty where it is not known.
        compute_capability: for example `8.9`; empty where it is not known.
    """

    bus: str = ""
    compute_capability: str = ""


@dataclass(frozen=True)
class Wish:
    """Where the graphs of a network shall run, as its model's configuration carries it.

    Attributes:
        providers: to try before the processor, in this order.
        plugin: library of the provider for TensorRT-RTX; empty for the one that pip installed.
        gpus: the GPUs by their index, as it is written.
    """

    providers: tuple[str, ...] = ()
    plugin: str = ""
    gpus: dict[str, WishedGpu] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(to_plain(self))

    @classmethod
    def from_json(cls, text: str) -> Wish:
        """Read what `to_json` wrote."""
        return from_plain(cls, json.loads(text), "providers")

    def places(self, device: int | None, *, engine: bool, alone: bool = False) -> list[Place]:
        """Return what to try, the best first and the processor last.

        Args:
            device: index of the GPU; None where there is none to be used.
            engine: whether an engine was built ahead of time.
            alone: whether TensorRT alone computes what the graph computes: then nothing else is tried.

        Raises:
            ProviderError: there is nothing to try.
        """
        if alone and (device is None or RTX not in self.providers):
            raise ProviderError("TensorRT alone computes what this graph computes, and its provider is not to be used")
        if device is None:
            return [Place()]
        gpu = self.gpus.get(str(device), WishedGpu())
        plugin = Path(self.plugin) if self.plugin else None
        found = []
        for provider in self.providers:
            place = Place(provider, device, gpu.bus, gpu.compute_capability, plugin)
            found += [replace(place, engine=True), place] if provider == RTX and engine else [place]
        return [one for one in found if one.provider == RTX] if alone else [*found, Place()]


@dataclass(frozen=True)
class Opened:
    """A session that has run.

    Attributes:
        session: of ONNX Runtime.
        place: what runs it, and where.
        warnings: what would have been better, and why it does not run; one line each.
    """

    session: Any
    place: Place
    warnings: tuple[str, ...]


def first_that_runs(file: GraphFile, places: Sequence[Place], threads: int, trial: Callable[[Any], object]) -> Opened:
    """Open a graph in the first place that runs it.

    Args:
        file: the graph.
        places: to try in this order; what the last one raises is raised.
        threads: of the processor.
        trial: runs a session once; on a GPU much shows only then.
    """
    warnings: list[str] = []
    for place in places[:-1]:
        try:
            session = open_on(place, file, threads)
            trial(session)
        except ProviderError as error:
            warnings.append(f"{place.label} does not start: {error}")
        except ValueError:  # the graph is another one
            raise
        except Exception as error:  # whatever a driver or a runtime raises
            warnings.append(f"{place.label} does not run it: {' '.join(str(error).split())[:300]}")
        else:
            return Opened(session, place, tuple(warnings))
    session = open_on(places[-1], file, threads)
    trial(session)
    return Opened(session, places[-1], tuple(warnings))
