"""The Triton to start: the real one inside the nvidia-pytriton wheel, or one that is installed already."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from crosswire.serving.errors import ServingError

_STUB = "triton_python_backend_stub"


@dataclass(frozen=True)
class Triton:
    """A Triton that can be started.

    Attributes:
        executable: the `tritonserver` binary.
        backends: folder for `--backend-directory`, or None for the binary's own default.
        caches: folder for `--cache-directory`, or None for the binary's own default.
        libraries: folders for LD_LIBRARY_PATH.
        label: what to call it in messages.
    """

    executable: Path
    backends: Path | None
    caches: Path | None
    libraries: tuple[Path, ...]
    label: str


def stub_python() -> Path:
    """Return the folder that must come first on PATH: Triton's python stubs start the first `python3` there.

    Raises:
        ServingError: there is none beside the running Python.
    """
    folder = Path(sys.executable).parent
    if not (folder / "python3").exists():
        raise ServingError(f"{folder} has no python3, which Triton's python stubs look for; use a virtual environment")
    return folder


def installed_triton(executable: Path) -> Triton:
    """Return a Triton that is installed with its backends, for example the one in NVIDIA's image.

    Raises:
        ServingError: there is no such file.
    """
    if not executable.is_file():
        raise ServingError(f"--triton {executable} is no file; NVIDIA's image has /opt/tritonserver/bin/tritonserver")
    return Triton(executable, None, None, (), str(executable))


def wheel_triton(to: Path) -> Triton:
    """Prepare the wheel's Triton for the running Python.

    The wheel keeps one python stub per Python version apart from the backend; Triton wants the stub beside the
    backend's library. Links in a folder of our own bring them together, and the wheel stays untouched.

    Args:
        to: folder to create the links in.

    Raises:
        ServingError: the wheel is missing, or has no stub for this Python.
    """
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        cure = "try pip install -e '.[serve]'" if sys.version_info < (3, 13) else "try Python 3.12, or the container"
        raise ServingError(f"got no embedded Triton, expected the package nvidia-pytriton, {cure}")
    package = Path(next(iter(spec.submodule_search_locations)))
    home = package / "tritonserver"
    stubs = home / "python_backend_stubs"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not (stubs / version / _STUB).is_file():
        has = ", ".join(sorted(path.name for path in stubs.glob("3.*"))) or "none"
        raise ServingError(f"the embedded Triton has no stub for Python {version}; it has {has}: use one of these")
    backend = to / "python"
    backend.mkdir(parents=True)
    for file in (home / "backends" / "python").iterdir():
        if file.is_file():
            (backend / file.name).symlink_to(file)
    (backend / _STUB).symlink_to(stubs / version / _STUB)
    libraries = (package.parent / "nvidia_pytriton.libs", Path(sysconfig.get_config_var("LIBDIR")))
    return Triton(home / "bin" / "tritonserver", to, home / "caches", libraries, "the embedded Triton 2.51")
