#!/usr/bin/env bash
# PyTorch's FlopCounterMode raises without gradients where a module is called with a view of a parameter.
#
# Expected: counting the operations of a forward pass needs no gradients, so `torch.no_grad()` around it changes nothing
# but the memory. So it is where modules are called with data alone. Latents, prompts and bottleneck tokens are parameters
# that are expanded to the batch and handed to an attention module: with gradients the counter counts, under `no_grad` it
# ends with an AssertionError, under `inference_mode` with an AttributeError. Parameters that need no gradient are counted.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv torch==2.13.0 numpy==2.4.6
"$python" - <<'PYTHON'
import contextlib
import sys

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Latents(nn.Module):
    """Learnt queries that attend to data, as in a Perceiver."""

    def __init__(self):
        super().__init__()
        self.queries = nn.Parameter(torch.ones(4, 8))
        self.project = nn.Linear(8, 8)

    def forward(self, x):
        return self.project(self.queries.expand(len(x), -1, -1)) @ x


def counted(context, learnt):
    network = Latents().requires_grad_(learnt)
    try:
        with context, FlopCounterMode(display=False) as counter:
            network(torch.ones(3, 8, 2))
    except (AssertionError, AttributeError) as error:
        return repr(error)
    return counter.get_total_flops()


print("torch", torch.__version__)
seen = {
    "with gradients": counted(contextlib.nullcontext(), True),
    "no_grad": counted(torch.no_grad(), True),
    "inference_mode": counted(torch.inference_mode(), True),
    "no_grad, parameters that need none": counted(torch.no_grad(), False),
}
for how, result in seen.items():
    print(f"  {how}: {result}")
right, no_grad, inference, frozen = seen.values()
raised = (str(no_grad).startswith("AssertionError"), str(inference).startswith("AttributeError"))
if right != frozen or raised != (True, True):
    sys.exit("the behaviour has changed")
PYTHON

# Seen:
#   torch 2.13.0
#     with gradients: 1920
#     no_grad: AssertionError('Expected gradient function to be set')
#     inference_mode: AttributeError("'NoneType' object has no attribute 'next_functions'")
#     no_grad, parameters that need none: 1920
