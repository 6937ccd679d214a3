"""Sessions of ONNX Runtime: on the processor, and on a GPU with every way on which it would take another one barred.

Asked for a provider that does not start, ONNX Runtime logs an error and takes the next: so it is asked afterwards what
it took, and whether that runs anything.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosswire.contract import context_of, engine_faults
from crosswire.serving.steps.runtime.cores import granted_cores
from crosswire.serving.steps.runtime.providers.names import CPU, CUDA, CUDA_PACKAGE, LABELS, PROVIDERS
from crosswire.serving.steps.runtime.providers.plugin import ProviderError, bundled_version, device_of, register

#: What manifests call the library of the engines that are run.
TENSORRT_RTX = "tensorrt_rtx"
#: Smallest, usual and largest shape by input.
Profile = Mapping[str, tuple[tuple[int, ...], ...]]


@dataclass(frozen=True)
class GraphFile:
    """A graph, and what was built of it.

    Attributes:
        path: the `.onnx` file.
        sha256: hash that the file must have, hexadecimal.
        weights: whether a second file beside it holds its weights.
        engine: an engine of TensorRT-RTX that was built of it ahead of time, or None.
        profile: shapes of the inputs.
    """

    path: Path
    sha256: str
    weights: bool = False
    engine: Path | None = None
    profile: Profile | None = None


@dataclass(frozen=True)
class Place:
    """What runs a graph, and where.

    Attributes:
        provider: one of `names.PROVIDERS`.
        device: index of the GPU; None for the processor.
        bus: the GPU's address on the PCI bus; empty where it is not known.
        compute_capability: of the GPU, for example `8.9`; empty where it is not known.
        plugin: library of the provider for TensorRT-RTX; None for the one that pip installed.
        engine: whether the engine is run that was built ahead of time, and not what the provider makes of the graph.
    """

    provider: str = CPU
    device: int | None = None
    bus: str = ""
    compute_capability: str = ""
    plugin: Path | None = None
    engine: bool = False

    @property
    def label(self) -> str:
        """The provider and the GPU, for people."""
        where = "" if self.device is None else f" on GPU {self.device}"
        return f"{LABELS[self.provider]}{where}{' with the engine built ahead' if self.engine else ''}"


def profile_of(shapes: Mapping[str, tuple[int, ...]], largest: int) -> Profile:
    """Return the shapes that inputs have in batches, as engines are built for them.

    Args:
        shapes: of one sample, by input.
        largest: largest batch.
    """
    batches = (1, max(1, largest // 2), largest)
    return {name: tuple((batch, *shape) for batch in batches) for name, shape in shapes.items()}


def open_session(graph: Path, sha256: str, threads: int = 0, *, weights: bool = False) -> Any:
    """Open an ONNX Runtime session on the processor, on a graph whose bytes have the expected hash.

    Args:
        graph: the `.onnx` file.
        sha256: hash that the file must have, hexadecimal.
        threads: how many threads it may have, 0 for one per granted core.
        weights: whether a second file beside the graph holds its weights.

    Returns:
        an `onnxruntime.InferenceSession`.

    Raises:
        ValueError: the file has another hash.
    """
    import onnxruntime

    source = _source(GraphFile(graph, sha256, weights))
    return onnxruntime.InferenceSession(source, _options(threads), providers=[PROVIDERS[CPU]])


def open_on(place: Place, file: GraphFile, threads: int = 0) -> Any:
    """Open a session that runs a graph where it is asked to, or none.

    Args:
        place: what shall run it, and where.
        file: the graph.
        threads: of the processor, for what no GPU runs; 0 for one per granted core.

    Raises:
        ProviderError: the provider cannot be started, or takes no part of the graph.
        ValueError: the graph's file has another hash.
    """
    import onnxruntime

    if place.provider == CPU:
        return open_session(file.path, file.sha256, threads, weights=file.weights)
    options, provider = _options(threads), PROVIDERS[place.provider]
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    source = _engine_source(file, place) if place.engine else _source(file)
    wanted: list[Any] = []
    if place.provider == CUDA:
        _find_cuda(onnxruntime)
        wanted = [(provider, {"device_id": str(place.device or 0)}), PROVIDERS[CPU]]
    else:
        register(place.plugin)
        device = device_of(provider, place.device or 0, place.bus)
        options.add_provider_for_devices([device], _shapes(file.profile))
    try:
        session = onnxruntime.InferenceSession(source, options, providers=wanted or None, enable_fallback=0)
    except Exception as error:  # ONNX Runtime has error types of its own for every reason
        raise ProviderError(" ".join(str(error).split())[:300]) from error
    if provider not in session.get_providers():
        raise ProviderError(_why_left_out(onnxruntime))
    own, every = assigned(session, provider)
    if every and not own:
        raise ProviderError(f"it takes none of the {every} nodes of {file.path.name}")
    return session


def assigned(session: Any, provider: str) -> tuple[int, int]:
    """Return how many nodes of a session's graph a provider runs, and how many there are; (0, 0) if it is not told.

    Args:
        session: opened to record it.
        provider: ONNX Runtime's name for it.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return 0, 0
    parts = [(part.ep_name, len(part.get_nodes())) for part in session.get_provider_graph_assignment_info()]
    return sum(count for name, count in parts if name == provider), sum(count for _, count in parts)


def _options(threads: int) -> Any:
    """Return the options of a session."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or granted_cores()
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoding shares the cores
    options.add_session_config_entry("session.x64quantprecision", "1")  # without VNNI int8 sums would be cut off
    return options


def _source(file: GraphFile) -> str | bytes:
    """Return what a session is opened on, once its hash was checked."""
    content = file.path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != file.sha256:
        raise ValueError(f"{file.path} has sha256 {found[:12]}…, expected {file.sha256[:12]}…; export the run again")
    # Weights beside a graph are looked for beside the file itself, which this one may only be a link to.
    return str(file.path.resolve()) if file.weights else content


def _engine_source(file: GraphFile, place: Place) -> str:
    """Return the file by which the provider finds an engine, if that was built of the graph and for this GPU."""
    assert file.engine is not None
    library = bundled_version() if place.plugin is None else None
    libraries = {TENSORRT_RTX: library} if library else {}
    if faults := engine_faults(file.engine, file.sha256, libraries, place.compute_capability or None):
        raise ProviderError("; ".join(faults))
    return str(context_of(file.engine))


def _shapes(profile: Profile | None) -> dict[str, str]:
    """Return the options that name the shapes which the provider compiles for; it would take all up to 32767."""
    names = ("nv_profile_min_shapes", "nv_profile_opt_shapes", "nv_profile_max_shapes")

    def written(index: int) -> str:
        return ",".join(f"{name}:{'x'.join(map(str, shapes[index]))}" for name, shapes in (profile or {}).items())

    return {name: written(index) for index, name in enumerate(names)} if profile else {}


def _find_cuda(onnxruntime: Any) -> None:
    """Raise unless this ONNX Runtime was built for CUDA; load CUDA and cuDNN from where pip put them."""
    if PROVIDERS[CUDA] not in onnxruntime.get_available_providers():
        cure = f"install {CUDA_PACKAGE} in the place of onnxruntime"
        raise ProviderError(f"this ONNX Runtime was built without it; {cure}")
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # they lie where the linker does not look


def _why_left_out(onnxruntime: Any) -> str:
    """Return why ONNX Runtime left CUDA out: what the linker says of its library, or where else to look."""
    folder = Path(onnxruntime.__file__).parent / "capi"
    try:
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        return str(error).removeprefix(f"{folder}/")
    return "ONNX Runtime left it out, and says why in Triton's log"
