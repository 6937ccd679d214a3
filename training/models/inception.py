"""The Inception network of FID and KID: 2048 features of an image, with the weights of a file.

Made for `pt_inception-2015-12-05-6726825d.pth`, the weights that FID is defined with, whose keys are those of
torchvision's Inception v3; its average poolings leave the padding out and its last block takes a maximum instead.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.config import ConfigError

_SIDE = 299
_LEFT_OUT = ("fc.", "AuxLogits.")
Kernel = int | tuple[int, int]


class _Conv(nn.Module):
    """Convolution, norm, ReLU; a kernel of stride 1 keeps the size unless `valid`."""

    def __init__(self, before: int, after: int, kernel: Kernel = 1, stride: int = 1, *, valid: bool = False) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (0, 0) if valid or stride > 1 else (sides[0] // 2, sides[1] // 2)
        self.conv = nn.Conv2d(before, after, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Block(nn.Module):
    """Branches side by side, each a chain of convolutions called `NAME_1`, `NAME_2`, ..., or one called `NAME`."""

    def chain(self, name: str, before: int, *layers: tuple[int, Kernel, int]) -> None:
        """Add a branch from the channels, kernel and stride of each layer."""
        for index, (after, kernel, stride) in enumerate(layers, 1):
            key = name if len(layers) == 1 else f"{name}_{index}"
            self.add_module(key, _Conv(before, after, kernel, stride))
            before = after

    def run(self, name: str, x: Tensor) -> Tensor:
        """Run a branch."""
        if hasattr(self, name):
            return self.get_submodule(name)(x)  # type: ignore[no-any-return]
        index = 1
        while hasattr(self, f"{name}_{index}"):
            x = self.get_submodule(f"{name}_{index}")(x)
            index += 1
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """Run the branch behind the average pooling."""
        return self.run("branch_pool", F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))


class _A(_Block):
    def __init__(self, before: int, pooled: int) -> None:
        super().__init__()
        self.chain("branch1x1", before, (64, 1, 1))
        self.chain("branch5x5", before, (48, 1, 1), (64, 5, 1))
        self.chain("branch3x3dbl", before, (64, 1, 1), (96, 3, 1), (96, 3, 1))
        self.chain("branch_pool", before, (pooled, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.run(name, x) for name in ("branch1x1", "branch5x5", "branch3x3dbl")]
        return torch.cat([*parts, self.pooled(x)], 1)


class _B(_Block):
    def __init__(self, before: int) -> None:
        super().__init__()
        self.chain("branch3x3", before, (384, 3, 2))
        self.chain("branch3x3dbl", before, (64, 1, 1), (96, 3, 1), (96, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.run(name, x) for name in ("branch3x3", "branch3x3dbl")]
        return torch.cat([*parts, F.max_pool2d(x, 3, 2)], 1)


class _C(_Block):
    def __init__(self, before: int, inner: int) -> None:
        super().__init__()
        wide, high = (1, 7), (7, 1)
        self.chain("branch1x1", before, (192, 1, 1))
        self.chain("branch7x7", before, (inner, 1, 1), (inner, wide, 1), (192, high, 1))
        chain = ((inner, 1, 1), (inner, high, 1), (inner, wide, 1), (inner, high, 1), (192, wide, 1))
        self.chain("branch7x7dbl", before, *chain)
        self.chain("branch_pool", before, (192, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.run(name, x) for name in ("branch1x1", "branch7x7", "branch7x7dbl")]
        return torch.cat([*parts, self.pooled(x)], 1)


class _D(_Block):
    def __init__(self, before: int) -> None:
        super().__init__()
        self.chain("branch3x3", before, (192, 1, 1), (320, 3, 2))
        self.chain("branch7x7x3", before, (192, 1, 1), (192, (1, 7), 1), (192, (7, 1), 1), (192, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.run(name, x) for name in ("branch3x3", "branch7x7x3")]
        return torch.cat([*parts, F.max_pool2d(x, 3, 2)], 1)


class _E(_Block):
    def __init__(self, before: int, *, maximum: bool) -> None:
        super().__init__()
        self.maximum = maximum
        self.chain("branch1x1", before, (320, 1, 1))
        self.branch3x3_1 = _Conv(before, 384)
        self.branch3x3_2a, self.branch3x3_2b = _Conv(384, 384, (1, 3)), _Conv(384, 384, (3, 1))
        self.branch3x3dbl_1, self.branch3x3dbl_2 = _Conv(before, 448), _Conv(448, 384, 3)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = _Conv(384, 384, (1, 3)), _Conv(384, 384, (3, 1))
        self.chain("branch_pool", before, (192, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = [self.branch3x3_2a(single), self.branch3x3_2b(single)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        last = self.run("branch_pool", F.max_pool2d(x, 3, 1, 1)) if self.maximum else self.pooled(x)
        return torch.cat([self.run("branch1x1", x), *parts, last], 1)


class Inception(nn.Module):
    """Maps images to 2048 features."""

    num_features = 2048

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3, valid=True)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = _Conv(64, 80)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3, valid=True)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _A(192, 32), _A(256, 64), _A(288, 64)
        self.Mixed_6a = _B(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = (_C(768, inner) for inner in (128, 160, 160, 192))
        self.Mixed_7a = _D(768)
        self.Mixed_7b, self.Mixed_7c = _E(1280, maximum=False), _E(2048, maximum=True)

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 images [N, 3, H, W] to features [N, 2048]."""
        x = F.interpolate(images.float(), (_SIDE, _SIDE), mode="bilinear", align_corners=False) / 127.5 - 1
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        return self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean((2, 3))  # type: ignore[no-any-return]


def load_inception(path: Path) -> Inception:
    """Return the network with the weights of a file.

    Raises:
        ConfigError: no state dict of this network.
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    network = Inception().eval().requires_grad_(False)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({k: v for k, v in state.items() if not k.startswith(_LEFT_OUT)})
    except Exception as error:  # a pickle can fail in any way
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"{path} is no state dict of Inception v3 ({reason}); give pt_inception-2015-12-05-6726825d.pth"
        ) from error
    return network
