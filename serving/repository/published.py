"""What a model's configuration carries beside Triton's own fields: the public part of its contract."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from crosswire.contract import Contract, TensorSpec
from crosswire.serving.config.limits import ImageLimits

PARAMETER = "crosswire"
GRAPH_FILE = "model.onnx"
PLAN_FILE = "model.plan"
GRAPHS_PARAMETER = "graphs"
THREADS_PARAMETER = "threads"
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
) -> str:
    """Return the JSON text that travels in a model's `parameters` under the key `crosswire`.

    Args:
        contract: the network's contract.
        inputs: the model's own input tensors.
        outputs: the model's own output tensors.
        name: the model's name; another one than the network's for a step or an ensemble.
        steps: names of the steps that it is made of, by which their times are told.

    Returns:
        an object with `schema_version`, `name`, `network`, `task`, `classes`, `palette`, `inputs`, `outputs`,
        `metrics`, `data` (name of the training data), `steps` and `limits` on an encoded picture.
    """
    return json.dumps(
        {
            "schema_version": contract.schema_version,
            "name": name,
            "network": contract.name,
            "task": contract.task,
            "classes": contract.classes,
            "palette": contract.palette,
            "inputs": [dataclasses.asdict(spec) for spec in inputs],
            "outputs": [dataclasses.asdict(spec) for spec in outputs],
            "metrics": contract.metrics,
            "data": contract.run.data,
            "steps": list(steps),
            "limits": dataclasses.asdict(ImageLimits()),
        },
        ensure_ascii=False,
    )
