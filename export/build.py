"""From a run folder to a network's folder: check, let the task write its graphs, prove them, put them in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from crosswire.contract import Contract, ContractError
from crosswire.contract.errors import CrosswireError
from crosswire.export.graph_file import GRAPH
from crosswire.export.place import BuildError, check_target, placed
from crosswire.export.quantization.precision import FP32, Precision
from crosswire.export.tasks.exporter import (
    SIZE,
    Exporter,
    ExportRequest,
    Report,
    check_options,
    exporter_of,
    silent,
)
from crosswire.training.config import RunConfig
from crosswire.training.engine.run_folder import RunOf
from crosswire.training.from_data import frame_size


def build(
    run: RunOf[Any, Any],
    name: str,
    size: tuple[int, int] | None,
    to: Path,
    *,
    max_batch: int = 8,
    precision: Precision = FP32,
    missing_modality: bool = False,
    report: Report = silent,
) -> Contract:
    """Export a run into `to/name`, all of it or nothing.

    Args:
        run: the trained network, of any task.
        name: of the network's folder and of its Triton model; of a retrieval, the beginning of two.
        size: height and width of the images that the graph takes; None for clips and features, whose size the run says.
        to: the model repository.
        max_batch: largest batch that a server may form.
        precision: arithmetic of the graph.
        missing_modality: also write a graph per stream, which answers when that stream alone is present; clips
            always have one per modality that they were trained with alone, translations never: they do not take it.
        report: is told what is being measured.

    Returns:
        The contract that was written; of a retrieval, whose two networks `export_run` returns, that of videos.

    Raises:
        BuildError: a forbidden name or size, an option that its task does not take, a target that cannot be written, or
            weights that are not finite.
        ContractError: a tolerance is exceeded.
    """
    return export_run(run, ExportRequest(name, size, max_batch, precision, missing_modality, report), to)[0]


def export_run(run: RunOf[Any, Any], request: ExportRequest, to: Path) -> tuple[Contract, ...]:
    """Export a run into a folder in `to` for each network that it becomes, all of it or nothing; see `build`.

    Returns:
        the contracts that were written, in the order of `crosswire.export.tasks.exporter.Exporter.parts`.
    """
    exporter = check_request(run.config, run.folder, request, to)
    contracts = []
    with ExitStack() as places:
        for part in map(request.of_part, exporter.parts):
            folder = places.enter_context(placed(to, part.name, GRAPH))
            with _named(run.folder):
                contract = exporter.write(run, part, folder)
            contract.save(folder)
            contract.verify(folder)
            contracts.append(contract)
    return tuple(contracts)


def check_request(config: RunConfig, folder: Path, request: ExportRequest, to: Path) -> Exporter:
    """Refuse what could only fail later, before weights are read; return the exporter of the run's task.

    Args:
        config: of the run.
        folder: of the run.
        request: what is wanted.
        to: the model repository.

    Raises:
        BuildError: see `build`.
    """
    exporter = exporter_of(config)
    check_options(exporter, request)
    for part in map(request.of_part, exporter.parts):
        check_target(part.name, request.max_batch, to)
    if SIZE in exporter.options:
        request.image_size()
    with _named(folder):
        exporter.check(config, request)
    return exporter


def default_size(config: RunConfig, folder: Path) -> tuple[int, int] | None:
    """Return the size of the images where nobody says it: that of the frames of a user's own folder, else None.

    Args:
        config: of the run.
        folder: of the run.

    Raises:
        BuildError: the frames cannot be read.
    """
    with _named(folder):
        return frame_size(config)


def default_target(config: RunConfig, *, engine: bool) -> str:
    """Return what the graph of a run is laid out for where nobody says it: TensorRT where an engine is built of it.

    Args:
        config: of the run; clips and features have one layout for all targets, which is that for the CPU.
        engine: whether an engine of TensorRT is built.
    """
    return "tensorrt" if engine and "tensorrt" in exporter_of(config).targets else "cpu"


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Turn the errors of a task into ones that name the run; a graph outside its tolerance stays a `ContractError`."""
    try:
        yield
    except (BuildError, ContractError):
        raise
    except CrosswireError as error:
        raise BuildError(f"{folder}: {error}") from error
