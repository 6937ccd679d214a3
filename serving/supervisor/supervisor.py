"""The supervisor: starts Triton and the gateway, announces them, watches them, obeys orders, stops them."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from crosswire.serving.config.settings import Settings
from crosswire.serving.errors import ServingError
from crosswire.serving.gateway.options import gateway_options, write_options
from crosswire.serving.processes import shm
from crosswire.serving.processes.child import Child
from crosswire.serving.processes.environments import Environments
from crosswire.serving.processes.process_table import is_running
from crosswire.serving.processes.programs import gateway_program, triton_program
from crosswire.serving.processes.run_state import Health, RunState, ServerRun, write_health, write_run
from crosswire.serving.processes.triton_wheel import installed_triton, wheel_triton
from crosswire.serving.repository.assemble import Assembled
from crosswire.serving.repository.tuning import Tuning
from crosswire.serving.steps.runtime.providers.graph_run import GraphRun, told, warnings_of
from crosswire.serving.supervisor.announce import as_json, as_prose
from crosswire.serving.supervisor.control import RENEW, ControlSocket, Order
from crosswire.serving.supervisor.gateway_watch import GatewayWatch
from crosswire.serving.supervisor.probe import ProbeInference, TritonLink, probe_inferences_of, responds_over_http
from crosswire.serving.supervisor.reload import Change
from crosswire.serving.supervisor.restart_pace import RestartPace
from crosswire.serving.supervisor.stopped import StoppedProcesses
from crosswire.serving.supervisor.watch import Watch, stub_count, stubs_of

_TICK_SECONDS = 0.25
_STOP_SECONDS = 2.0
_CLOSE_SECONDS = 2.0
_GATEWAY_PAUSE_SECONDS = 2.0


class Stop(BaseException):
    """A signal asked to stop while something was waited for; no error, so nothing that handles errors catches it."""


class Supervisor:
    """The two children of one server, and the link to Triton."""

    def __init__(
        self,
        settings: Settings,
        state: RunState,
        run: ServerRun,
        assembled: Assembled,
        listener: socket.socket,
        access_log: int | None,
        stop: threading.Event,
    ) -> None:
        """Prepare; nothing runs yet."""
        self._settings, self._state, self._run, self._assembled = settings, state, run, assembled
        self._stop = stop
        self._kind = installed_triton(settings.triton) if settings.triton else wheel_triton(state.backends)
        self._listener = listener
        self._gateway_program = gateway_program(state, listener.fileno(), access_log)
        self._link = TritonLink(run.triton_target)
        self._control = ControlSocket(state.folder)
        self._environments = Environments(state.folder)
        self._triton: Child | None = None
        self._gateway: Child | None = None
        self._watch: Watch | None = None
        self._gateway_watch: GatewayWatch | None = None
        self._gateway_due = 0.0
        self._stopped = StoppedProcesses(settings.pace.seconds / 4)
        self._pace = RestartPace()
        self._parent: psutil.Process | None = None
        self._restarts = {"triton": 0, "front_door": 0}
        self._published: Health | None = None
        self._unpublished = False
        self._graph_runs: tuple[GraphRun, ...] = ()
        self._warnings: list[str] = []

    def start(self) -> None:
        """Start both children and wait until every probe has passed."""
        write_run(self._state.folder, self._run)
        self._publish(False, "the server is starting")
        self._start_triton()
        self._gateway = Child(self._gateway_program)
        self._wait_for_triton()
        deadline = time.monotonic() + self._settings.start_seconds
        while not responds_over_http(self._run.http_target, self._run.tls):
            self._check_start(self._gateway, deadline)
            self._pause_briefly()
        self._publish(True, "")

    def announce(self, seconds: float) -> None:
        """Print where the server is and what to do next."""
        assert self._triton is not None and self._gateway is not None
        if self._settings.json:
            health = self._published or self._health(True, "")
            text = as_json(self._run, self._assembled, seconds, self._triton.pid, self._gateway.pid, health)
        else:
            text = as_prose(self._run, self._assembled, seconds, self._kind.label, self._settings, self._graph_runs)
        print(text, flush=True)

    def watch(self) -> None:
        """Keep the server answering until somebody asks to stop."""
        self._pace.answers()
        self._gateway_watch = GatewayWatch(self._run, self._settings.pace, self._settings.start_seconds)
        while not self._asked_to_stop(_TICK_SECONDS):
            assert self._watch is not None
            self._look_after_gateway()
            self._control.handle(self._obey)
            self._watch.check()
            self._publish(self._watch.ready, self._watch.reason)
            if self._watch.broken:
                self._pace.failed()
                _say(f"{self._watch.reason}; starting Triton again in {self._pace.pause:g} s; {self._last_words()}")
                self._restart()

    def _look_after_gateway(self) -> None:
        """Start the gateway again if it has ended or hangs; not before it answered for the first time."""
        for done in self._stopped.check(self._members):
            _say(done)
        if self._gateway_watch is None or self._gateway is None:
            return
        if self._gateway_watch.hung:
            _say("the gateway does not answer; ending it")
            self._gateway.kill()
        if self._gateway.exit_status is not None and time.monotonic() > self._gateway_due:
            _say(f"the gateway ended with status {self._gateway.exit_status}; starting it again")
            self._gateway_due = time.monotonic() + _GATEWAY_PAUSE_SECONDS
            self._restarts["front_door"] += 1
            try:
                self._gateway = Child(self._gateway_program)
            except OSError as error:
                _say(f"the gateway cannot be started: {error}; trying again in {_GATEWAY_PAUSE_SECONDS:g} s")
            self._gateway_watch.renew()

    def _members(self) -> list[psutil.Process]:
        """Return every process below this one."""
        return [one for child in (self._triton, self._gateway) if child is not None for one in child.members()]

    def stop(self) -> None:
        """Let the gateway answer what it took, then stop everything within seconds, whatever state it is in."""
        self._publish(False, "the server is stopping")
        self._control.close()
        if self._gateway_watch is not None:
            self._gateway_watch.close()
        if self._gateway is not None:
            self._gateway.ask_to_stop()
            self._listener.close()  # who comes after the gateway has gone is refused, not kept waiting
            self._gateway.stop(time.monotonic() + self._settings.limits.drain_seconds + _CLOSE_SECONDS)
        self._link.close()
        if self._triton is not None:
            self._triton.ask_to_stop()
            self._triton.stop(time.monotonic() + _STOP_SECONDS)

    def _restart(self) -> None:
        """Start Triton again until it answers, more patiently after every failure."""
        while True:
            if self._triton is not None:
                self._triton.kill()
            self._rest(self._pace.pause)
            self._pace.starts()
            shm.sweep(self._state.shm_prefix)
            self._restarts["triton"] += 1
            try:
                self._start_triton()
                self._wait_for_triton()
            except (ServingError, OSError) as error:
                _say(f"{error}\nstarting Triton again in {self._pace.pause:g} s")
                self._publish(False, f"Triton does not start: {_cause(error)}")
            else:
                self._publish(True, "")
                self._pace.answers()
                _say("Triton answers again")
                return

    def _tell_gateway(self) -> None:
        """Let the gateway read anew what it knows of Triton, keys and certificate."""
        if self._gateway is not None:
            self._gateway.send_signal(signal.SIGHUP)

    def _rest(self, seconds: float) -> None:
        """Wait before Triton is started again; the gateway and orders do not wait."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._look_after_gateway()
            self._control.handle(self._obey_without_triton)
            if self._asked_to_stop(min(left, _TICK_SECONDS)):
                raise Stop

    def _obey_without_triton(self, order: Order) -> str:
        """Leave out a network that keeps Triton from starting."""
        if order.verb == RENEW:
            return self._renew()
        change = Change(self._link, self._assembled, self._settings, self._wait_for)
        self._assembled = change.carry_out(order, running=False)
        self._tell_gateway()
        return f"{order.verb} {order.network}: done; Triton starts without it"

    def _obey(self, order: Order) -> str:
        """Load, unload or reload a network, or renew the keys; what was served is served until then."""
        if order.verb == RENEW:
            return self._renew()
        assert self._watch is not None
        if not self._watch.ready:
            raise ServingError(f"the server is not ready: {self._watch.reason}; try again when it is")
        change = Change(self._link, self._assembled, self._settings, self._wait_for)
        before = self._watch
        try:
            self._assembled = change.carry_out(order)
        finally:
            self._tell_gateway()
            self._wait_for_stubs()
            self._learn_what_runs()
            self._watch = before.renewed(self._watched())
        _say(f"{order.verb} {order.network}: done")
        return f"{order.verb} {order.network}: done; served are {', '.join(self._assembled.configs)}"

    def _renew(self) -> str:
        """Let the gateway take the keys and the certificate as they are now; what cannot be used changes nothing."""
        gateway = gateway_options(self._settings)
        if not gateway.key_hashes and gateway.tls_cert is None:
            raise ServingError("this server was started without API keys and certificate; there is nothing to renew")
        write_options(self._state.folder, gateway)
        self._tell_gateway()
        _say("keys and certificate were read anew")
        return "keys and certificate were read anew; open connections keep their certificate"

    def _wait_for(self, call: Any) -> None:
        """Wait for an answer of Triton's while it runs."""
        assert self._triton is not None
        deadline = time.monotonic() + self._settings.start_seconds
        while not call.done():
            self._check_start(self._triton, deadline)
            self._pause_briefly()

    def _wait_for_stubs(self) -> None:
        """Wait until the python stubs of replaced models have answered their last request and are gone."""
        assert self._triton is not None
        deadline = time.monotonic() + self._settings.limits.infer_seconds
        while time.monotonic() < deadline and len(stubs_of(self._triton)) > stub_count(
            self._assembled.configs.values()
        ):
            self._pause_briefly()

    def _start_triton(self) -> None:
        """Start Triton with an empty log; that of the Triton before stays beside it."""
        self._environments.sweep()
        Path(self._run.metrics_socket).unlink(missing_ok=True)  # Triton does not bind what the one before left
        program = triton_program(self._kind, self._state, self._run, self._assembled.configs, self._settings)
        if program.log.exists():
            program.log.replace(program.log.with_suffix(".before.log"))
        self._triton = Child(program)

    def _last_words(self) -> str:
        """Return the end of Triton's log."""
        assert self._triton is not None
        return f"the last lines of its log:\n{self._triton.log_tail()}"

    def _wait_for_triton(self) -> None:
        """Wait until Triton is ready and every probe has passed once, then watch it."""
        assert self._triton is not None
        deadline = time.monotonic() + self._settings.start_seconds
        while not self._link.ready():
            self._check_start(self._triton, deadline)
            self._environments.read(self._triton.pid)
            self._pause_briefly()
        slowest = 0.0
        for probe_inference in probe_inferences_of(self._assembled):
            probe = self._link.probe(probe_inference)
            self._wait_for(probe)
            if probe.error is not None:
                raise ServingError(
                    f"the probe of {probe_inference.model} failed: {probe.error.details()}; "
                    f"the last lines of Triton's log:\n{self._triton.log_tail()}"
                )
            slowest = max(slowest, probe.seconds)
        self._watch = Watch(self._triton, self._link, self._watched(), slowest, self._settings.pace)
        self._learn_what_runs()

    def _learn_what_runs(self) -> None:
        """Read what runs every graph, and say what falls short of what was asked for, or of what is installed."""
        assert self._triton is not None
        self._graph_runs = told(self._state.graph_runs, [one.pid for one in stubs_of(self._triton)])
        warnings = [*Tuning.of(self._settings).chosen.warnings, *warnings_of(self._graph_runs)]
        for warning in warnings:
            if warning not in self._warnings:
                _say(f"warning: {warning}")
        self._warnings = warnings

    def _watched(self) -> list[ProbeInference]:
        """Return the probes that are sent again and again: those of what clients ask, which try every model."""
        return [
            probe_inference
            for probe_inference in probe_inferences_of(self._assembled)
            if probe_inference.model in self._assembled.offered
        ]

    def _check_start(self, child: Child, deadline: float) -> None:
        """Raise `ServingError` if a child has ended or is late."""
        label = child.program.label
        if child.exit_status is not None:
            reason = f"{label} ended with status {child.exit_status} while starting"
        elif time.monotonic() > deadline:
            reason = f"{label} was not ready within {self._settings.start_seconds:g} s"
        else:
            return
        raise ServingError(f"{reason}; the last lines of its log:\n{child.log_tail()}")

    def _pause_briefly(self) -> None:
        """Wait a moment, or end the start when asked to stop."""
        self._look_after_gateway()
        if self._asked_to_stop(0.01):
            raise Stop

    def _asked_to_stop(self, seconds: float) -> bool:
        """Wait, unless somebody asks to stop or the parent has ended."""
        return self._stop.wait(seconds) or not self._parent_runs()

    def _parent_runs(self) -> bool:
        """Say whether the process that this one is to end with, if any, still runs."""
        if self._settings.parent is None:
            return True
        if self._parent is None:  # from now on a later process with its id is another one
            try:
                self._parent = psutil.Process(self._settings.parent)
            except psutil.NoSuchProcess:
                return False
        return is_running(self._parent)

    def _publish(self, ready: bool, reason: str) -> None:
        """Tell the gateway what has changed."""
        health = self._health(ready, reason)
        if health == self._published:
            return
        try:
            write_health(self._state.folder, health)
        except OSError as error:  # a full disk must not end the server; the next look tries again
            if not self._unpublished:
                _say(f"the state cannot be written: {error}")
            self._unpublished = True
        else:
            self._published, self._unpublished = health, False

    def _health(self, ready: bool, reason: str) -> Health:
        """Return what is known of the server."""
        canaries = {} if self._watch is None else dict(self._watch.probe_seconds)
        pipelines = list(self._assembled.offered)
        graphs = list(self._graph_runs)
        return Health(ready, reason, dict(self._restarts), canaries, pipelines, graphs, list(self._warnings))


def _cause(error: Exception) -> str:
    """Return the line of an error, with the end of a log in it, that says most."""
    lines = [line.strip(" |") for line in str(error).splitlines()]
    telling = [line for line in lines[1:] if "error" in line.lower() or "failed" in line.lower()]
    return (telling or lines)[0][:400]


def _say(text: str) -> None:
    """Print a line for the person at the terminal or the log collector, if anybody still listens."""
    with contextlib.suppress(OSError):
        print(f"serving: {text}", file=sys.stderr, flush=True)
