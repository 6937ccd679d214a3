"""What an exported network costs."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from crosswire.contract import TensorSpec
from crosswire.export.onnx_graph import example


def macs(servable: nn.Module, inputs: tuple[TensorSpec, ...]) -> int:
    """Count the multiply-accumulates of convolutions and matrix products for one sample."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        servable(*example(inputs, 1, seed=0))
    return int(counter.get_total_flops()) // 2
