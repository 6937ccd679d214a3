"""The contract: everything that is known about an exported network, in one JSON file beside its graph.

Standard library only, because `serving/` and `tests/` read it where neither torch nor onnx is installed.
Tensor names, units, class names and palettes are written here once; every Triton configuration is generated from it.

Example:
    >>> [spec.name for spec in Contract.load(Path("model_repository/rooms_cen")).inputs]
    ['rgb', 'depth']
"""

from crosswire.contract.contract import FILE_NAME, PRECISIONS, TARGETS, TASKS, TENSORRT_ALONE, Contract
from crosswire.contract.errors import ContractError, CrosswireError, UsageError
from crosswire.contract.graph import (
    ADOPTED,
    ENGINE_SUFFIXES,
    RTX_CUDA,
    EngineManifest,
    ExchangedLayer,
    Graph,
    TrainingRun,
    Variant,
    context_of,
    engine_faults,
    engines_beside,
    manifest_of,
    sha256_of,
)
from crosswire.contract.pipeline_description import PipelineDescription
from crosswire.contract.plain import SCHEMA_VERSION
from crosswire.contract.proof import MEASURES, Evaluation, Parity, Tolerance
from crosswire.contract.tensors import DTYPES, QUANTITIES, Geometry, TensorSpec, used_spec
from crosswire.contract.wire_names import MODALITIES

__all__ = [
    "ADOPTED",
    "DTYPES",
    "ENGINE_SUFFIXES",
    "FILE_NAME",
    "MEASURES",
    "MODALITIES",
    "PRECISIONS",
    "QUANTITIES",
    "RTX_CUDA",
    "SCHEMA_VERSION",
    "TARGETS",
    "TASKS",
    "TENSORRT_ALONE",
    "Contract",
    "ContractError",
    "CrosswireError",
    "EngineManifest",
    "Evaluation",
    "ExchangedLayer",
    "Geometry",
    "Graph",
    "Parity",
    "PipelineDescription",
    "TensorSpec",
    "Tolerance",
    "TrainingRun",
    "UsageError",
    "Variant",
    "context_of",
    "engine_faults",
    "engines_beside",
    "manifest_of",
    "sha256_of",
    "used_spec",
]
