"""The network of the embedded runtime: an ONNX Runtime session inside Triton's python backend."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.published import GRAPH_FILE, GRAPH_HASH_PARAMETER
from serving.stages.cores import granted_cores

_NUMPY_TYPES = {"TYPE_UINT8": np.uint8, "TYPE_INT32": np.int32, "TYPE_FP32": np.float32}


def open_session(graph: Path, sha256: str, instances: int = 1) -> Any:
    """Open an ONNX Runtime session on a graph whose bytes have the expected hash.

    Args:
        graph: the `.onnx` file.
        sha256: hash that the file must have, hexadecimal.
        instances: how many such sessions share the granted cores.

    Returns:
        an `onnxruntime.InferenceSession` on CUDA if this ONNX Runtime has it, else on the CPU.

    Raises:
        ValueError: the file has another hash.
    """
    import onnxruntime

    content = graph.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"{graph} has sha256 {found[:12]}…, expected {sha256[:12]}…; export the run again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, granted_cores() // instances)
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoding shares the cores
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    available = onnxruntime.get_available_providers()
    return onnxruntime.InferenceSession(content, options, providers=[name for name in wanted if name in available])


def run_together(
    session: Any, outputs: list[str], requests: list[dict[str, npt.NDArray[Any]]]
) -> list[list[npt.NDArray[Any]]]:
    """Run several requests as one batch.

    Args:
        session: from `open_session`.
        outputs: names of the outputs.
        requests: per request its input arrays by name, each [n, ...].

    Returns:
        per request its output arrays in the order of `outputs`, each [n, ...].
    """
    sizes = [len(next(iter(request.values()))) for request in requests]
    if len(requests) == 1:
        feed = requests[0]
    else:
        feed = {name: np.concatenate([request[name] for request in requests]) for name in requests[0]}
    results = session.run(outputs, feed)
    ends = np.cumsum(sizes)
    return [[result[end - size : end] for result in results] for size, end in zip(sizes, ends, strict=True)]


class TritonPythonModel:
    """The network inside Triton."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the session and run it once, so that the first request finds it warm."""
        config = json.loads(args["model_config"])
        graph = Path(args["model_repository"]) / args["model_version"] / GRAPH_FILE
        instances = sum(int(group["count"]) for group in config["instance_group"])
        self._session = open_session(graph, config["parameters"][GRAPH_HASH_PARAMETER]["string_value"], instances)
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        zeros = {
            tensor["name"]: np.zeros([1, *map(int, tensor["dims"])], _NUMPY_TYPES[tensor["data_type"]])
            for tensor in config["input"]
        }
        run_together(self._session, self._outputs, [zeros])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run the requests of a dynamic batch together and give each its share."""
        import triton_python_backend_utils as pb_utils

        from serving.stages.triton import input_array

        feeds = [{name: input_array(request, name) for name in self._inputs} for request in requests]
        return [
            pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor(name, np.ascontiguousarray(array))
                    for name, array in zip(self._outputs, arrays, strict=True)
                ]
            )
            for arrays in run_together(self._session, self._outputs, feeds)
        ]
