"""The graph of one node by which ONNX Runtime's provider for TensorRT-RTX runs an engine that was built ahead of time.

The node is `EPContext` of ONNX Runtime's own domain. It names the engine's file beside it; the file's metadata name the
graph that the engine was built of. The provider's source was read for this; it was not run, for want of a GPU.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from crosswire.contract import Contract, EngineManifest, TensorSpec, context_of, manifest_of, sha256_of
from crosswire.contract.atomic_write import write_bytes
from crosswire.contract.plain import to_plain

#: What ONNX Runtime calls the provider that is to take the node.
PROVIDER = "NvTensorRTRTXExecutionProvider"
#: Keys of the file's metadata: hashes of the graph and of the engine.
GRAPH_KEY, ENGINE_KEY = "crosswire.graph_sha256", "crosswire.engine_sha256"
_DOMAIN, _DOMAIN_VERSION = "com.microsoft", 1
_OPSET, _IR_VERSION = 18, 10
_TYPES = {"UINT8": TensorProto.UINT8, "INT32": TensorProto.INT32, "FP32": TensorProto.FLOAT}


def write_contexts(contract: Contract, folder: Path) -> list[Path]:
    """Write the file of every engine of TensorRT-RTX beside a network's graphs, and its hash into their manifests.

    Args:
        contract: of the network.
        folder: that holds it.

    Returns:
        the files.
    """
    names = tuple(spec.name for spec in contract.inputs)
    written = []
    for graph, inputs in ((contract.graph, names), *((one.graph, one.inputs) for one in contract.variants)):
        engine = (folder / graph.file).with_suffix(".engine")
        if not engine.is_file():
            continue
        manifest, path = EngineManifest.load(engine), context_of(engine)
        taken = [spec for spec in contract.inputs if spec.name in inputs]
        model = context(manifest, engine.name, taken, contract.computed_outputs)
        write_bytes(path, model.SerializeToString())
        told = to_plain(dataclasses.replace(manifest, context_sha256=sha256_of(path)))
        write_bytes(manifest_of(engine), (json.dumps(told, indent=1) + "\n").encode())
        written.append(path)
    return written


def context(
    manifest: EngineManifest, engine: str, inputs: list[TensorSpec], outputs: tuple[TensorSpec, ...]
) -> onnx.ModelProto:
    """Return the graph of one node that names an engine.

    Args:
        manifest: of the engine.
        engine: the file's name; the provider takes no other folder than that of the graph.
        inputs: what the engine takes.
        outputs: what it gives.
    """
    node = helper.make_node(
        "EPContext",
        [spec.name for spec in inputs],
        [spec.name for spec in outputs],
        name="engine",
        domain=_DOMAIN,
        main_context=1,
        embed_mode=0,
        ep_cache_context=engine,
        ep_sdk_version=manifest.version,
        hardware_architecture=",".join(one.replace(".", "") for one in manifest.compute_capabilities),
        partition_name="engine",
        source=PROVIDER,
    )
    graph = helper.make_graph([node], "engine", [_value(spec) for spec in inputs], [_value(spec) for spec in outputs])
    sets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_DOMAIN, _DOMAIN_VERSION)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=_IR_VERSION, producer_name="crosswire")
    helper.set_model_props(model, {GRAPH_KEY: manifest.onnx_sha256, ENGINE_KEY: manifest.sha256})
    return model


def _value(spec: TensorSpec) -> onnx.ValueInfoProto:
    """Return what a graph says of an input or an output."""
    return helper.make_tensor_value_info(spec.name, _TYPES[spec.dtype], ["N", *spec.shape])
