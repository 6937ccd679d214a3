"""What a model's configuration carries beside Triton's own fields, above all its description for clients."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crosswire.contract import Contract, PipelineDescription, TensorSpec
from crosswire.contract.pipeline_description import PARAMETER
from crosswire.serving.config.limits import ImageLimits

if TYPE_CHECKING:  # the steps import this module, and need no client of Triton
    from tritonclient.grpc.model_config_pb2 import ModelConfig

GRAPH_FILE = "model.onnx"
PLAN_FILE = "model.plan"
GRAPHS_PARAMETER = "graphs"
THREADS_PARAMETER = "threads"
PROVIDERS_PARAMETER = "providers"
#: Begins the name of a group of instances that run on a GPU; its index follows.
GPU_GROUP = "gpu"
#: Where a step finds the name of its instance in its configuration, which Triton does not put there.
INSTANCE = "instance_name"
STEPS_PARAMETER = "steps"
NETWORK_CODE = "runtime.network:OnnxNetwork"
#: Parameter of a request: when nobody waits for its answer any more, microseconds on this machine's monotonic clock.
DEADLINE = "crosswire_deadline"
#: Parameter of a request: the outputs that its client asked for, joined by commas.
ASKED = "crosswire_asked"
#: Parameter of a request: the headers of the trace that it belongs to, as a JSON object.
TRACE = "crosswire_trace"


def published(
    contract: Contract,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    name: str,
    steps: Sequence[str] = (),
) -> PipelineDescription:
    """Describe a model, with the ordinary limits on an encoded image; the arguments are `PipelineDescription.of`'s."""
    return PipelineDescription.of(contract, inputs, outputs, name, steps, dataclasses.asdict(ImageLimits()))


def description_of(config: ModelConfig) -> PipelineDescription | None:
    """Return the description that a model's configuration carries; None where it carries none.

    Raises:
        ContractError: it is damaged or of another schema version.
    """
    text = config.parameters[PARAMETER].string_value if PARAMETER in config.parameters else ""
    return PipelineDescription.from_json(text, config.name) if text else None


def describe(config: ModelConfig, description: PipelineDescription) -> None:
    """Have a model's configuration carry a description."""
    config.parameters[PARAMETER].string_value = description.to_json()
