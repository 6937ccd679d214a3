"""Settings of the vision transformers that masked auto-encoders of clips are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from crosswire.contract.fields import PositiveInt, Range, ShareBelowOne
from crosswire.training.config import ConfigError, Section

#: Fewest features of a token that leave each of three axes a sine and a cosine of its position.
LEAST_WIDTH = 6
#: Features of a token: enough for its position.
TokenWidth = Annotated[int, Range(least=LEAST_WIDTH)]


@dataclass(frozen=True)
class VitConfig(Section):
    """An encoder of patches, and the decoder that its latents are rebuilt by while it trains.

    The GMF paper names MAE and Audio-MAE and gives no size. The defaults are those of MAE on ViT-B: depth and heads,
    width (768, which is `ExtractorConfig.width`), 16x16 pixels to a patch, three quarters masked, a decoder of 8 layers
    of 512 features, and targets with mean 0 and variance 1 in every patch. Two frames to a patch are our choice.

    Attributes:
        patch: frames, rows and columns of a patch of the pictures; segments, bands and windows of one of a spectrogram.
        depth: layers of the encoder.
        heads: of its attention; they divide its width.
        boundary: share of the features of every token of the latent that are its invariant part, the first ones. The
            paper asks for an explicit boundary and does not place it; one half is that of GMF.
        mask: share of the patches that the encoder does not see while it trains; 0 for an auto-encoder without masks.
        decoder_depth: layers of the decoder.
        decoder_width: features of its tokens.
        decoder_heads: of its attention; they divide its width.
        normalise: rebuild every patch with its own mean taken out and divided by its own deviation.
    """

    section = "extractor.vit"

    patch: tuple[PositiveInt, PositiveInt, PositiveInt] = (2, 16, 16)
    depth: PositiveInt = 12
    heads: PositiveInt = 12
    boundary: Annotated[float, Range(above=0, below=1)] = 0.5
    mask: ShareBelowOne = 0.75
    decoder_depth: PositiveInt = 8
    decoder_width: TokenWidth = 512
    decoder_heads: PositiveInt = 16
    normalise: bool = True

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        check_heads("extractor.vit.decoder_heads", self.decoder_heads, self.decoder_width)

    def masked(self, patches: int) -> int:
        """Return how many of so many patches the encoder does not see while it trains."""
        return int(self.mask * patches)

    def invariant(self, width: int) -> int:
        """Return how many of so many features of a token are its invariant part."""
        return int(self.boundary * width)

    def check(self, where: str, size: tuple[int, int, int], width: int, *, masking: bool) -> None:
        """Refuse an input or a width that cannot be cut as these settings say.

        Args:
            where: dotted name of the extractor, for messages.
            size: of its input: frames, rows, columns, or segments, bands, windows.
            width: features of a token.
            masking: whether it is trained on masked patches.

        Raises:
            ConfigError: what does not fit, with what would.
        """
        if any(whole % part for whole, part in zip(size, self.patch, strict=True)):
            cut, shape = ",".join(map(str, self.patch)), "x".join(map(str, size))
            raise ConfigError(f"{where}.vit.patch is {cut}, which does not divide its input of {shape}; try divisors")
        if width < LEAST_WIDTH:
            raise ConfigError(f"{where}.width is {width}; a transformer takes {LEAST_WIDTH} or more")
        check_heads(f"{where}.vit.heads", self.heads, width)
        if not self.invariant(width):
            raise ConfigError(f"{where}.vit.boundary is {self.boundary:g}, which leaves no invariant part; raise it")
        patches = math.prod(size) // math.prod(self.patch)
        if masking and not self.masked(patches):
            raise ConfigError(
                f"{where}.vit.mask is {self.mask:g}, which masks none of {patches} patches; raise it, or take gmf-ae"
            )
        if not masking and self.mask:
            raise ConfigError(f"{where}.vit.mask is {self.mask:g}; gmf-ae masks nothing: set it to 0, or take gmf-mae")


def check_heads(where: str, heads: int, width: int) -> None:
    """Raise `ConfigError` where the heads of an attention do not divide its width."""
    if width % heads:
        raise ConfigError(f"{where} is {heads}, which does not divide the width {width}; try a divisor of it")
