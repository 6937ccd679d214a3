"""The wire around a generator: raw images of its input domains in, raw images of its output domains out.

Classes come in as colours, in a picture as any viewer shows it, and go out as class indices.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import CLASS_INDEX, PREDICTED
from crosswire.training.tasks.translation.config import TranslatorConfig
from crosswire.training.tasks.translation.domains import Codec, codecs
from crosswire.training.tasks.translation.network import ImageMix


class TranslationServable(nn.Module):
    """Scaling to -1 to 1, generator, and back.

    Args:
        network: maps normalised images [N, c, H, W] to `ImageMix` (live) or one [N, 3 or K, H, W] per task (frozen).
        config: of the generator.
        dtype: what the generator computes in; scaling and way back are fp32.
    """

    def __init__(self, network: nn.Module, config: TranslatorConfig, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype
        self.inputs = codecs(config.inputs, config)
        self.outputs = codecs(config.outputs, config)

    def forward(self, *raw: Tensor) -> tuple[Tensor, ...]:
        """Translate raw images.

        Args:
            raw: one tensor per input domain, uint8 [N, H, W, C], or float32 [N, H, W] in metres.

        Returns:
            one tensor per output domain, alike; of labels, and of classes in colours, indices uint8 [N, H, W].
        """
        made = self.network(*(_encoded(x, code).to(self.dtype) for x, code in zip(raw, self.inputs, strict=True)))
        answers = made.answers.chunk(len(self.outputs)) if isinstance(made, ImageMix) else made
        return tuple(_decoded(answer.float(), code) for answer, code in zip(answers, self.outputs, strict=True))


def _encoded(raw: Tensor, code: Codec) -> Tensor:
    """Bring a raw image into the generator's range; see `Codec.encode`."""
    if code.domain.is_depth:
        coded = torch.log1p(code.gain * raw.clamp_min(0)) * (2 / code.top) - 1
        return coded.clamp(-1, 1).unsqueeze(1)
    return raw.float().permute(0, 3, 1, 2) / 127.5 - 1


def _decoded(answer: Tensor, code: Codec) -> Tensor:
    """Bring an answer [N, 3 or K, H, W] back; see `Codec.decode`."""
    answer = answer[:, : code.made]
    if code.domain.is_labels:
        return answer.argmax(1).to(torch.uint8)
    if code.domain.is_painted:
        return code.labels_of(answer).to(torch.uint8)
    if code.domain.is_depth:
        return (torch.exp((answer.mean(1) + 1) * (code.top / 2)) - 1) / code.gain
    if code.domain.channels == 1:
        answer = answer.mean(1, keepdim=True)
    return ((answer + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)


def input_specs(config: TranslatorConfig, size: tuple[int, int]) -> tuple[TensorSpec, ...]:
    """Describe the inputs of a generator at a size (H, W)."""
    return tuple(_spec(code.domain.name, code, size) for code in codecs(config.inputs, config))


def output_specs(config: TranslatorConfig, size: tuple[int, int]) -> tuple[TensorSpec, ...]:
    """Describe the outputs of a generator at a size (H, W)."""
    codes = codecs(config.outputs, config)
    return tuple(_spec(f"{PREDICTED}{code.domain.name}", code, size, made=True) for code in codes)


def _spec(name: str, code: Codec, size: tuple[int, int], *, made: bool = False) -> TensorSpec:
    """Describe one image; one that is made has a value everywhere."""
    domain, axes = code.domain, ("height", "width")
    if domain.is_labels or (domain.is_painted and made):
        return TensorSpec(name, "UINT8", size, axes, CLASS_INDEX, valid_range=(0.0, code.classes - 1.0))
    if domain.is_depth:
        reach = (0.0, round(code.farthest, 3)) if made else domain.valid_range
        return TensorSpec(name, "FP32", size, axes, domain.unit, None if made else domain.missing, reach)
    shape = (*size, domain.channels)
    return TensorSpec(name, "UINT8", shape, (*axes, "channel"), domain.unit, None, domain.valid_range)
