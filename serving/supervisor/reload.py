"""Changing what a running Triton serves: load, unload or reload one network, or leave everything as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import grpc

from crosswire.serving.config.settings import Settings
from crosswire.serving.errors import ServingError
from crosswire.serving.processes import shm
from crosswire.serving.repository.assemble import Assembled, assemble, replaced, without
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.repository.tuning import Tuning
from crosswire.serving.supervisor.control import Order
from crosswire.serving.supervisor.probe import TritonLink, probe_inferences_of

Wait = Callable[[Any], Any]


class Change:
    """One order, carried out on the Triton repository and on Triton.

    Triton goes on with the old models until the new ones are loaded, so no request fails for a reload. What does not
    load, or does not pass its probes, is taken back.
    """

    def __init__(self, link: TritonLink, whole: Assembled, settings: Settings, wait: Wait) -> None:
        """Take what is served now, the server's settings, and how to wait for a call's future."""
        self._link, self._whole, self._settings, self._wait = link, whole, settings, wait

    def carry_out(self, order: Order, *, running: bool = True) -> Assembled:
        """Return what is served afterwards.

        Args:
            order: what to do.
            running: whether Triton runs; where it does not, what keeps it from starting can be unloaded.

        Raises:
            ServingError: it cannot be done; everything is as it was.
        """
        served = [network.name for network in self._whole.networks]
        if order.verb == "load" and order.network in served:
            raise ServingError(f"network {order.network!r} is served already; reload it")
        if order.verb in ("unload", "reload") and order.network not in served:
            raise ServingError(f"network {order.network!r} is not served; served are {', '.join(served)}")
        if order.verb == "reload" and self._settings.models.cache_bytes:
            raise ServingError(
                "the response cache would answer for the old network after a reload; start the server anew, or serve "
                "without models.cache_bytes"
            )
        if order.verb == "unload":
            return self._unload(order.network, running)
        if not running:
            raise ServingError("Triton does not run; until it does networks can only be unloaded")
        if order.verb in ("load", "reload"):
            return self._load(order.network)
        raise ServingError(f"{order.verb!r} is no order; orders are load, unload and reload")

    def _load(self, name: str) -> Assembled:
        """Put a network's models in the place of those that are there, if any."""
        staged, kept = (self._whole.folder.with_name(f"repository-{what}") for what in ("new", "old"))
        try:
            networks, tuning = find_networks(self._settings.repository, [name]), Tuning.of(self._settings)
            part = assemble(networks, self._settings.runtime, staged, copy_graphs=False, tuning=tuning)
            whole = replaced(self._whole, part)
            shm.check_room(part.configs.values())
            _move(part.configs, self._whole.folder, kept)
            _move(part.configs, staged, self._whole.folder)
            try:
                self._start(part)
            except ServingError as error:
                self._take_back(name, part, kept)
                raise ServingError(f"{error}; everything is as it was") from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
            shutil.rmtree(kept, ignore_errors=True)
        return whole

    def _start(self, part: Assembled) -> None:
        """Load models and try them."""
        for model in part.configs:
            self._call(self._link.load(model), f"{model} was not loaded")
        for probe_inference in probe_inferences_of(part):
            probe = self._link.probe(probe_inference)
            self._wait(probe)
            if probe.error is not None:
                raise ServingError(f"the probe of {probe_inference.model} failed: {probe.error.details()}")

    def _take_back(self, name: str, part: Assembled, kept: Path) -> None:
        """Serve what was served before."""
        shutil.rmtree(self._whole.folder / name, ignore_errors=True)
        for model in part.configs:
            shutil.rmtree(self._whole.folder / model, ignore_errors=True)
        _move(part.configs, kept, self._whole.folder)
        for model in part.configs:
            if model in self._whole.configs:
                self._call(self._link.load(model), f"{model} was not loaded again")
            else:
                self._wait(self._link.unload(model))

    def _unload(self, name: str, running: bool) -> Assembled:
        """Take a network's models away."""
        rest = without(self._whole, name)
        if not rest.networks:
            raise ServingError(f"network {name!r} is the only one that is served; stop the server instead")
        gone = [model for model in self._whole.configs if model not in rest.configs]
        for model in reversed(gone if running else []):
            self._call(self._link.unload(model), f"{model} was not unloaded")
        for model in gone:
            shutil.rmtree(self._whole.folder / model, ignore_errors=True)
        return rest

    def _call(self, call: Any, failure: str) -> None:
        """Wait for one of Triton's answers."""
        self._wait(call)
        error = call.exception()
        if error is not None:
            details = error.details() if isinstance(error, grpc.RpcError) else error
            raise ServingError(f"{failure}: {details}")


def _move(names: Iterable[str], source: Path, to: Path) -> None:
    """Move those folders that there are."""
    to.mkdir(exist_ok=True)
    for name in names:
        if (source / name).exists():
            (source / name).rename(to / name)
