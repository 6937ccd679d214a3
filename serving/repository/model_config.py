"""Triton model configurations, made as protobuf messages and written as `config.pbtxt`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from google.protobuf import text_format  # type: ignore[import-untyped]
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from tritonclient.grpc.model_config_pb2 import (
    ModelConfig,
    ModelEnsembling,
    ModelInput,
    ModelInstanceGroup,
    ModelOutput,
)

from crosswire.contract import TENSORRT_ALONE, Contract, PipelineDescription, TensorSpec
from crosswire.serving.errors import ServingError
from crosswire.serving.repository.graphs import ServedGraph, as_parameter
from crosswire.serving.repository.networks import ServedNetwork
from crosswire.serving.repository.pipelines import PipelineSpec, StepSpec
from crosswire.serving.repository.published import (
    GRAPH_FILE,
    GRAPHS_PARAMETER,
    NETWORK_CODE,
    PLAN_FILE,
    STEPS_PARAMETER,
    describe,
    published,
)

_AS_IT_IS: Mapping[str, str] = {}
_DATA_TYPES = {"UINT8": "TYPE_UINT8", "INT32": "TYPE_INT32", "FP32": "TYPE_FP32", "BYTES": "TYPE_STRING"}


class Runtime(str, Enum):
    """Who runs the graph.

    `EMBEDDED`: a python model holding an ONNX Runtime session, because the wheel's Triton has no ONNX backend.
    `CONTAINER`: the native backends of NVIDIA's image: `tensorrt` where a plan lies beside the graph, else
    `onnxruntime`.
    """

    EMBEDDED = "embedded"
    CONTAINER = "container"


def network_config(network: ServedNetwork, runtime: Runtime, *, engines: bool = False) -> ModelConfig:
    """Return the configuration of a network's own model.

    Args:
        network: what to serve.
        runtime: who runs its graphs.
        engines: whether the embedded runtime may run their engines of TensorRT-RTX.
    """
    contract = network.contract
    steps = () if network.pipeline is not None else (contract.name,)
    config = _described(contract, published(contract, network.inputs, contract.outputs, contract.name, steps))
    if runtime is Runtime.CONTAINER and not network.facade:
        _run_graph(config, *network.graphs)
    else:
        config.backend = "python"
        config.parameters[GRAPHS_PARAMETER].string_value = as_parameter(
            network.graphs, engines=engines, alone=contract.precision in TENSORRT_ALONE
        )
        config.instance_group.append(_one_process())
    return config


def graph_config(network: ServedNetwork, graph: ServedGraph) -> ModelConfig:
    """Return the configuration of one graph's own model behind a façade in the container."""
    contract = network.contract
    inputs = [dataclasses.replace(spec, optional=False) for spec in contract.inputs if spec.name in graph.inputs]
    config = _base(graph.model, contract.max_batch_size, inputs, contract.computed_outputs)
    _run_graph(config, graph)
    return config


def step_config(contract: Contract, step: StepSpec) -> ModelConfig:
    """Return the configuration of a step before or after a network as a python model of its own."""
    config = _described(contract, published(contract, step.inputs, step.outputs, step.model))
    config.backend = "python"
    config.instance_group.append(_one_process())
    return config


def ensemble_config(network: ServedNetwork, pipeline: PipelineSpec) -> ModelConfig:
    """Return the configuration of the ensemble of a network's pipeline."""
    contract, before = network.contract, pipeline.before
    return _ensemble(
        contract,
        pipeline.name,
        pipeline.inputs,
        pipeline.outputs,
        pipeline.steps,
        _step(before.model, before.inputs, before.outputs),
        _step(contract.name, network.inputs, contract.outputs, pipeline.renamed),
        *(_step(step.model, step.inputs, step.outputs) for step in pipeline.after),
    )


def in_process_configs(network: ServedNetwork, own: ModelConfig) -> tuple[ModelConfig, ModelConfig, ModelConfig]:
    """Return the configurations of a pipeline and its network that run in one process.

    Args:
        network: what to serve, with steps around it.
        own: the configuration that the network would have as a model of its own.

    Returns:
        the model that holds all steps, and the two names that clients know it by: the network's, which takes and gives
        tensors, and the pipeline's.
    """
    contract, pipeline, tensors = network.contract, network.pipeline, network.inputs
    assert pipeline is not None
    name = pipeline.in_process
    inputs = {spec.name: dataclasses.replace(spec, optional=True) for spec in (*pipeline.inputs, *tensors)}
    outputs = {spec.name: spec for spec in (*pipeline.outputs, *contract.outputs)}
    inside = [
        (pipeline.before.code, step_config(contract, pipeline.before), _AS_IT_IS),
        (NETWORK_CODE, own, pipeline.renamed),
        *((step.code, step_config(contract, step), _AS_IT_IS) for step in pipeline.after),
    ]
    described = [
        {"code": code, "config": as_json(config), "renamed": dict(renamed)} for code, config, renamed in inside
    ]
    config = _base(name, contract.max_batch_size, inputs.values(), outputs.values())
    config.parameters[STEPS_PARAMETER].string_value = json.dumps(described, ensure_ascii=False)
    config.backend = "python"
    config.instance_group.append(_one_process())
    config.model_warmup.extend(own.model_warmup)  # by its tensors
    known = [
        _ensemble(contract, known_by, takes, gives, steps, _step(name, takes, gives))
        for known_by, takes, gives, steps in (
            (contract.name, tensors, contract.outputs, ()),
            (pipeline.name, pipeline.inputs, pipeline.outputs, pipeline.steps),
        )
    ]
    return config, *known


def as_json(config: ModelConfig) -> dict[str, Any]:
    """Return a configuration as Triton gives it to a model, its parameters in the order of their names.

    Protobuf orders a map by chance, anew in every process; the same networks must become the same files.
    """
    plain: dict[str, Any] = MessageToDict(config, preserving_proto_field_name=True)
    return {**plain, "parameters": dict(sorted(plain["parameters"].items()))}


def to_text(config: ModelConfig) -> str:
    """Return the text of a `config.pbtxt`."""
    text: str = text_format.MessageToString(config, as_utf8=True)
    return text


def _described(contract: Contract, description: PipelineDescription) -> ModelConfig:
    """Return the common part of a model that describes itself to clients."""
    config = _base(description.name, contract.max_batch_size, description.inputs, description.outputs)
    describe(config, description)
    return config


def _base(name: str, max_batch_size: int, inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec]) -> ModelConfig:
    """Return the part that every kind of model has."""
    if max_batch_size < 1:  # a zero would vanish in the text form, and with it the batch axis
        raise ServingError(f"model {name!r} has max_batch_size {max_batch_size}; the wire needs at least 1")
    return ModelConfig(
        name=name,
        max_batch_size=max_batch_size,
        input=[
            ModelInput(name=spec.name, data_type=_DATA_TYPES[spec.dtype], dims=spec.shape, optional=spec.optional)
            for spec in inputs
        ],
        output=[ModelOutput(name=spec.name, data_type=_DATA_TYPES[spec.dtype], dims=spec.shape) for spec in outputs],
    )


def _ensemble(
    contract: Contract,
    name: str,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    told: tuple[str, ...],
    *steps: ModelEnsembling.Step,
) -> ModelConfig:
    """Return an ensemble that tells clients of a network's contract, and of the names that its steps are timed by."""
    config = _described(contract, published(contract, inputs, outputs, name, told))
    config.platform = "ensemble"
    config.ensemble_scheduling.step.extend(steps)
    return config


def _run_graph(config: ModelConfig, graph: ServedGraph) -> None:
    """Have a native backend run the graph: TensorRT where it has a plan."""
    config.backend = "tensorrt" if graph.plan else "onnxruntime"
    config.default_model_filename = PLAN_FILE if graph.plan else GRAPH_FILE


def _one_process() -> ModelInstanceGroup:
    """One python process on the CPU side; `Tuning` says otherwise where a network runs on GPUs."""
    return ModelInstanceGroup(count=1, kind=ModelInstanceGroup.KIND_CPU)


def _step(
    model: str, inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec], renamed: Mapping[str, str] = _AS_IT_IS
) -> ModelEnsembling.Step:
    """Return one ensemble step; every tensor keeps its name but the outputs that are renamed."""
    return ModelEnsembling.Step(
        model_name=model,
        model_version=-1,
        input_map={spec.name: spec.name for spec in inputs},
        output_map={spec.name: renamed.get(spec.name, spec.name) for spec in outputs},
    )
