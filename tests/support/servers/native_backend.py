"""The wheel's Triton with a backend called `onnxruntime`, so that a container's repository runs here.

The wheel has no such backend; Triton takes one written in Python in its place. It runs what a container's native
backend would run, the graphs as they are, and the façade before them is the container's own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from crosswire.serving.processes.triton_wheel import wheel_triton

_BACKEND = """
import json
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        graph = Path(args["model_repository"]) / args["model_version"] / config["default_model_filename"]
        self.session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]

    def execute(self, requests):
        answers = []
        for request in requests:
            feed = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            arrays = self.session.run(self.outputs, feed)
            tensors = [pb_utils.Tensor(name, array) for name, array in zip(self.outputs, arrays)]
            answers.append(pb_utils.InferenceResponse(tensors))
        return answers
"""
_SCRIPT = """#!/bin/sh
export LD_LIBRARY_PATH={libraries}
exec {executable} "$@" --backend-directory={backends}
"""


def native_triton(to: Path) -> Path:
    """Write a `tritonserver` that has both backends; returns the executable."""
    triton = wheel_triton(to / "linked")
    backends = Path(shutil.copytree(to / "linked", to / "backends"))  # copies: a linked library "escapes" for Triton
    (backends / "onnxruntime").mkdir()
    (backends / "onnxruntime" / "model.py").write_text(_BACKEND)
    script = to / "tritonserver"
    libraries = ":".join(map(str, triton.libraries))
    script.write_text(_SCRIPT.format(libraries=libraries, executable=triton.executable, backends=backends))
    script.chmod(0o755)
    return script
