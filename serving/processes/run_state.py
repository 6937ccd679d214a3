"""The private folder of one running server: assembled repository, logs, health and sockets."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.contract.atomic_write import write_bytes
from crosswire.contract.plain import from_plain, to_plain
from crosswire.serving.errors import ServingError
from crosswire.serving.processes import environments, shm
from crosswire.serving.processes.ports import ANY_ADDRESS, LOOPBACK
from crosswire.serving.steps.runtime.providers.graph_run import GraphRun

_LOCK = "lock"
_SHM_PREFIX = "shm_prefix"
_RUN = "run.json"
_HEALTH = "health.json"


@dataclass(frozen=True)
class ServerRun:
    """What the gateway must know about the server behind it.

    Attributes:
        host: address that the gateway is bound to.
        http_port: the gateway's HTTP port.
        grpc_port: the gateway's gRPC port.
        triton_target: Triton's gRPC address, a socket that this user alone can reach.
        metrics_socket: path of the socket on which Triton tells its metrics, beside the other one.
        tls: whether the gateway speaks TLS.
    """

    host: str
    http_port: int
    grpc_port: int
    triton_target: str
    metrics_socket: str
    tls: bool = False

    @property
    def grpc_target(self) -> str:
        """What the gateway binds its gRPC port to."""
        return f"{self.host}:{self.grpc_port}"

    @property
    def http_target(self) -> str:
        """Where a process on this machine reaches the gateway."""
        return f"{self._reachable}:{self.http_port}"

    @property
    def _reachable(self) -> str:
        """The address to connect to."""
        return LOOPBACK if self.host == ANY_ADDRESS else self.host

    @property
    def http_url(self) -> str:
        """Where HTTP clients connect."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.http_port}"

    @property
    def grpc_url(self) -> str:
        """Where gRPC clients connect."""
        return f"{'grpcs' if self.tls else 'grpc'}://{self.host}:{self.grpc_port}"


@dataclass(frozen=True)
class Health:
    """Whether the server answers, as its supervisor sees it.

    Attributes:
        ready: Triton is ready and the last probe of every pipeline passed.
        reason: why it is not ready.
        restarts: how often each part was started again.
        canaries: per pipeline the seconds of its last probe, or None if that failed.
        pipelines: names of the pipelines that are served.
        graphs: what runs every graph of the networks that ONNX Runtime runs in processes of this server.
        warnings: what falls short of what was asked for, or of what is installed; one line each.
    """

    ready: bool
    reason: str
    restarts: dict[str, int] = field(default_factory=dict)
    canaries: dict[str, float | None] = field(default_factory=dict)
    pipelines: list[str] = field(default_factory=list)
    graphs: list[GraphRun] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunState:
    """The folder, for this user alone.

    Attributes:
        folder: its path.
        shm_prefix: start of the names of this server's shared memory regions.
    """

    folder: Path
    shm_prefix: str

    @property
    def triton_repository(self) -> Path:
        """Where the Triton repository is assembled."""
        return self.folder / "repository"

    @property
    def backends(self) -> Path:
        """Where Triton's backends are linked together."""
        return self.folder / "backends"

    @property
    def graph_runs(self) -> Path:
        """Where the processes of networks tell what runs their graphs."""
        return self.folder / "graph_runs"

    def log(self, name: str) -> Path:
        """Return the log file of one child process."""
        return self.folder / f"{name}.log"


def write_run(folder: Path, run: ServerRun) -> None:
    """Write what the gateway must know, readable by this user alone."""
    write_private(folder / _RUN, json.dumps(to_plain(run)))


def read_run(folder: Path) -> ServerRun:
    """Read what `write_run` wrote."""
    return from_plain(ServerRun, json.loads((folder / _RUN).read_text(encoding="utf-8")), _RUN, error=ServingError)


def write_health(folder: Path, health: Health) -> None:
    """Publish the health, all of it or nothing."""
    write_private(folder / _HEALTH, json.dumps(to_plain(health)))


def read_health(folder: Path) -> Health:
    """Read the health; a server that has published none is not ready."""
    try:
        return from_plain(
            Health, json.loads((folder / _HEALTH).read_text(encoding="utf-8")), _HEALTH, error=ServingError
        )
    except FileNotFoundError:
        return Health(False, "the server is starting")


@contextmanager
def open_log(path: str | None) -> Iterator[int | None]:
    """Open a log file for appending, `-` for standard error; gives its descriptor, None for no path.

    Raises:
        ServingError: the file cannot be opened.
    """
    if path is None:
        yield None
        return
    try:
        descriptor = os.dup(2) if path == "-" else os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    except OSError as error:
        raise ServingError(
            f"--access-log {path} cannot be opened: {error.strerror}; name a file in a folder of yours"
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def living_folders() -> list[Path]:
    """Return the run-state folders of this user's servers that are alive."""
    return [folder for folder in sorted(_base_folder().glob("run-*")) if _is_locked(folder)]


@contextmanager
def short_path(folder: Path) -> Iterator[Path]:
    """Give a path of a folder that is short enough for the address of a socket in it, however long its own is.

    Every process of this user may use it as long as this one is in the block.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


@contextmanager
def run_state() -> Iterator[RunState]:
    """Create a run-state folder and remove it, and the server's shared memory, at the end.

    Folders of servers that were killed are removed first: a lock tells them from living ones.

    Raises:
        ServingError: the common folder belongs to somebody else.
    """
    base = _base_folder()
    with _locked(base / _LOCK):
        for leftover in base.glob("run-*"):
            _remove_if_dead(leftover)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=base))
        state = RunState(folder, f"crosswire_{os.getpid()}_{secrets.token_hex(4)}_")
        (folder / _SHM_PREFIX).write_text(state.shm_prefix, encoding="utf-8")
        held = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield state
    finally:
        shm.sweep(state.shm_prefix)
        environments.sweep(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _base_folder() -> Path:
    """Return the folder that holds the run-state folders of this user, creating it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) / "crosswire" if runtime else Path(tempfile.gettempdir()) / f"crosswire-{os.getuid()}"
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        status = base.lstat()
    except OSError as error:
        raise ServingError(f"cannot keep the run state: {error}; set XDG_RUNTIME_DIR to a folder of yours") from error
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or not base.is_dir() or base.is_symlink():
        raise ServingError(f"{base} is not a private folder of this user; remove it or set XDG_RUNTIME_DIR")
    return base


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, waiting for it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_if_dead(folder: Path) -> None:
    """Remove a run-state folder and its shared memory if no living server holds its lock."""
    if _is_locked(folder):
        return
    with suppress(FileNotFoundError):
        shm.sweep((folder / _SHM_PREFIX).read_text(encoding="utf-8"))
    environments.sweep(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _is_locked(folder: Path) -> bool:
    """Say whether a living server holds a folder's lock; a folder that is going away has none to hold."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_private(path: Path, text: str) -> None:
    """Write a file for this user alone, all of it or nothing."""
    write_bytes(path, text.encode("utf-8"), make_folder=False, mode=0o600)
