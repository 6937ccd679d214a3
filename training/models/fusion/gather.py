"""What all fusion modules share: how they see the streams, and whether one stream or all of them go on.

Source: the CEN journal paper, Table 2. In its common setting the streams become one; in the setting of the
exchange ("same") every stream goes on, and sees the module with itself in the first place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StreamFusion(nn.Module):
    """A module between two stages that fuses stacked streams.

    Args:
        channels: C.
        streams: M.
        merges: one stream [N, C, H, W] goes on, or all of them [M*N, C, H, W].
    """

    def __init__(self, channels: int, streams: int, *, merges: bool) -> None:
        super().__init__()
        self.channels = channels
        self.streams = streams
        self.merges = merges

    def gather(self, stacked: Tensor) -> Tensor:
        """Concatenate streams along the channels.

        Args:
            stacked: [M*N, C, H, W].

        Returns:
            [N, M*C, H, W] where streams merge; else [M*N, M*C, H, W], in which stream m sees the streams in the order
            m, m+1, ..., M-1, 0, ..., m-1.
        """
        parts = torch.unflatten(stacked, 0, (self.streams, -1))
        if self.merges:
            return torch.cat([parts[stream] for stream in range(self.streams)], 1)
        turned = [torch.cat([parts[first:], parts[:first]]) for first in range(1, self.streams)]
        return torch.cat([parts, *turned], 2).flatten(0, 1)


def begin_as_mean(conv: nn.Conv2d, streams: int, scale: float = 1.0) -> None:
    """Initialise a convolution of M*C channels to C as `scale` times the mean of the streams.

    Features that were trained before the fusion was added pass through it unharmed.
    """
    eye = torch.eye(conv.out_channels).repeat(1, streams) * (scale / streams)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[:, :, conv.weight.shape[2] // 2, conv.weight.shape[3] // 2] = eye
