"""Masked auto-encoders: what is masked, what each decoder may read, and what counts as an error."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from crosswire.training.config import ConfigError
from crosswire.training.models.autoencoders import CrossReconstruction, Latent, VisionTransformer
from crosswire.training.models.autoencoders.patches import patchify, positions
from crosswire.training.models.autoencoders.reconstruction import mean_over_masked, normalised
from crosswire.training.overrides import override
from crosswire.training.tasks.audio_video.vit_config import VitConfig
from crosswire.training.tasks.presets import preset

#: Input of the small encoders of pictures and of sound, and their patches.
SIZES = {"video": (4, 16, 24), "audio": (1, 24, 20)}
PATCHES = {"video": (2, 8, 8), "audio": (1, 8, 5)}
CHANNELS = {"video": 3, "audio": 1}
WIDTHS = {"video": 16, "audio": 12}
#: Patches of each.
COUNTS = {"video": 2 * 2 * 3, "audio": 3 * 4}


def vit(modality: str, **settings: float) -> VisionTransformer:
    """Build a small encoder with fixed weights."""
    config = VitConfig(
        PATCHES[modality], depth=1, heads=2, boundary=0.25, decoder_depth=1, decoder_width=12, decoder_heads=2
    )
    torch.manual_seed(3)
    plain = override(config, [f"{key}={value}" for key, value in settings.items()])
    return VisionTransformer(CHANNELS[modality], SIZES[modality], WIDTHS[modality], plain)


def seen(modality: str, batch: int = 3) -> Tensor:
    """Return a fixed input."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, CHANNELS[modality], *SIZES[modality], generator=generator)


def pair(**settings: float) -> tuple[list[VisionTransformer], CrossReconstruction]:
    """Return both encoders in training, and their decoders."""
    encoders = [vit(modality, **settings).train() for modality in SIZES]
    return encoders, CrossReconstruction(encoders).train()


def latents(encoders: list[VisionTransformer], seed: int = 0) -> list[Latent]:
    """Encode the fixed inputs with the masks of a seed."""
    torch.manual_seed(seed)
    return [encoder.encode(seen(modality)) for encoder, modality in zip(encoders, SIZES, strict=True)]


# Patches ------------------------------------------------------------------------------------------------------------


def test_a_patch_is_a_block_of_frames_rows_and_columns() -> None:
    x = seen("video")
    patches = patchify(x, (2, 8, 8))
    assert patches.shape == (3, COUNTS["video"], 3 * 2 * 8 * 8)
    last = x[:, :, 2:4, 8:16, 16:24]
    assert torch.equal(patches[:, -1], last.flatten(1))
    assert torch.equal(patches[:, 1], x[:, :, 0:2, 0:8, 8:16].flatten(1))


@pytest.mark.parametrize(("grid", "width"), [((2, 2, 3), 6), ((1, 3, 4), 12), ((4, 4, 4), 32), ((1, 1, 1), 7)])
def test_every_patch_has_a_place_of_its_own(grid: tuple[int, int, int], width: int) -> None:
    table = positions(grid, width)
    assert table.shape == (math.prod(grid), width)
    assert len(torch.unique(table, dim=0)) == math.prod(grid)
    assert table.abs().max() <= 1


# Masks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", SIZES)
def test_a_stated_share_of_the_patches_is_masked_in_training_sample_by_sample(modality: str) -> None:
    kept = vit(modality, mask=0.75).train().encode(seen(modality)).kept
    assert kept is not None and kept.shape == (3, COUNTS[modality] // 4)
    assert all(len(set(row)) == len(row) and set(row) <= set(range(COUNTS[modality])) for row in kept.tolist())
    assert len({tuple(row) for row in kept.tolist()}) == 3


def test_masks_are_those_of_the_seed() -> None:
    encoders, _ = pair()
    one, again, other = ([latent.kept for latent in latents(encoders, seed)] for seed in (5, 5, 6))
    for first, second, third in zip(one, again, other, strict=True):
        assert first is not None and second is not None and third is not None
        assert torch.equal(first, second) and not torch.equal(first, third)


def test_what_is_masked_does_not_reach_the_latent() -> None:
    encoder, x = vit("video").train(), seen("video").requires_grad_()
    torch.manual_seed(0)
    tokens, kept, _ = encoder.encode(x)
    assert kept is not None
    (gradient,) = torch.autograd.grad(tokens.square().sum(), x)
    reached = patchify(gradient, PATCHES["video"]).abs().sum(-1) > 0
    assert torch.equal(reached, torch.zeros_like(reached).scatter(1, kept, True))


def test_nothing_is_masked_or_drawn_in_evaluation() -> None:
    encoder = vit("video").eval()
    before = torch.get_rng_state()
    latent = encoder.encode(seen("video"))
    assert latent.kept is None and latent.tokens.shape == (3, COUNTS["video"], WIDTHS["video"])
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(encoder(seen("video")), latent.tokens.mean(1))


def test_without_masks_training_sees_what_evaluation_sees() -> None:
    encoder = vit("audio", mask=0.0)
    whole, x = encoder.eval().encode(seen("audio")), seen("audio")
    torch.testing.assert_close(encoder.train().encode(x).tokens, whole.tokens)
    assert encoder.train().encode(x).kept is None


# Decoders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0.75, 0.0])
def test_every_decoder_rebuilds_all_patches_of_its_own_input(mask: float) -> None:
    encoders, cross = pair(mask=mask)
    made = cross.rebuilt(latents(encoders))
    assert [one.shape for one in made] == [(3, 12, 3 * 2 * 8 * 8), (3, 12, 8 * 5)]
    assert cross.boundaries == (4, 3)  # a quarter of 16 and of 12


@pytest.mark.parametrize("mask", [0.75, 0.0])
def test_every_decoder_reads_its_own_specific_part_and_the_others_invariant_part_alone(mask: float) -> None:
    encoders, cross = pair(mask=mask)
    given = [one._replace(tokens=one.tokens.detach().requires_grad_()) for one in latents(encoders)]
    tokens = [one.tokens for one in given]
    for own, made in enumerate(cross.rebuilt(given)):
        gradients = torch.autograd.grad(made.square().sum(), tokens)
        for place, gradient in enumerate(gradients):
            at = cross.boundaries[place]
            invariant, specific = gradient[..., :at], gradient[..., at:]
            read, unread = (specific, invariant) if place == own else (invariant, specific)
            assert not unread.any()
            assert (read.abs().sum(-1) > 0).all()


def test_a_change_of_what_a_decoder_may_not_read_changes_nothing_that_it_rebuilds() -> None:
    encoders, cross = pair()
    given = latents(encoders)
    at = cross.boundaries[0]
    moved = {"invariant": given[0].tokens.clone(), "specific": given[0].tokens.clone()}
    moved["invariant"][..., :at] += 1
    moved["specific"][..., at:] *= -1
    before = cross.rebuilt(given)
    for part, untouched, touched in (("invariant", 0, 1), ("specific", 1, 0)):
        after = cross.rebuilt([given[0]._replace(tokens=moved[part]), given[1]])
        assert torch.equal(after[untouched], before[untouched])
        assert not torch.allclose(after[touched], before[touched])


def test_a_decoder_puts_every_token_where_it_lay_and_tells_masked_patches_apart_by_their_places() -> None:
    encoders, cross = pair()
    given = latents(encoders)
    order = torch.tensor([2, 0, 1])
    kept = [one.kept for one in given]
    assert kept[0] is not None and kept[1] is not None
    shuffled = [
        one._replace(tokens=one.tokens[:, order], kept=which[:, order])
        for one, which in zip(given, (kept[0], kept[1]), strict=True)
    ]
    moved = [one._replace(kept=(which + 1) % 12) for one, which in zip(given, (kept[0], kept[1]), strict=True)]
    for made, same, other in zip(cross.rebuilt(given), cross.rebuilt(shuffled), cross.rebuilt(moved), strict=True):
        torch.testing.assert_close(same, made)
        assert not torch.allclose(other, made)
        assert len(torch.unique(made[0], dim=0)) == 12


def test_an_encoder_tells_the_places_of_patches_apart() -> None:
    encoder, x = vit("video").eval(), seen("video")
    turned = x.unflatten(2, (2, 2)).flip(2).flatten(2, 3)  # the very same patches, two frames each, in another order
    assert not torch.allclose(encoder(turned), encoder(x))


def test_every_parameter_of_encoders_and_decoders_learns() -> None:
    for mask in (0.75, 0.0):
        encoders, cross = pair(mask=mask)
        cross(latents(encoders)).backward()
        learning = [*cross.named_parameters(), *encoders[0].named_parameters(), *encoders[1].named_parameters()]
        assert [name for name, parameter in learning if parameter.grad is None] == []


# The loss -----------------------------------------------------------------------------------------------------------


def test_an_error_counts_where_it_was_masked_and_everywhere_without_masks() -> None:
    errors = torch.tensor([[1.0, 2.0, 30.0, 4.0], [50.0, 6.0, 7.0, 8.0]])
    kept = torch.tensor([[2], [0]])
    assert mean_over_masked(errors, kept) == pytest.approx((1 + 2 + 4 + 6 + 7 + 8) / 6)
    assert mean_over_masked(errors, None) == pytest.approx(errors.mean())


@pytest.mark.parametrize("mask", [0.75, 0.0])
@pytest.mark.parametrize("normalise", [True, False])
@torch.no_grad()
def test_the_loss_is_the_sum_of_both_mean_squared_errors(mask: float, normalise: bool) -> None:
    encoders, cross = pair(mask=mask, normalise=normalise)
    given = latents(encoders)
    wanted = 0.0
    for made, one in zip(cross.rebuilt(given), given, strict=True):
        target = normalised(one.patches) if normalise else one.patches
        errors = [
            float((made[n, place] - target[n, place]).square().mean())
            for n in range(3)
            for place in range(12)
            if one.kept is None or place not in one.kept[n]
        ]
        wanted += sum(errors) / len(errors)
    torch.testing.assert_close(cross(given), torch.tensor(wanted))


def test_targets_have_mean_0_and_variance_1_and_a_plain_patch_becomes_0() -> None:
    patches = 40 + 7 * torch.randn(2, 3, 64, generator=torch.Generator().manual_seed(0))
    patches[0, 0] = 0.3
    made = normalised(patches)
    assert made[0, 0].abs().max() < 1e-3
    torch.testing.assert_close(made[1].mean(-1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(made[1].var(-1, correction=0), torch.ones(3), atol=1e-4, rtol=0)


# Settings -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("network.video.vit.patch=3,12,16", "network.video.vit.patch is 3,12,16, which does not divide .* 8x48x64"),
        ("network.audio.vit.patch=1,16,9", "does not divide its input of 1x64x200"),
        ("network.audio.vit.patch=16,16", "a list of 3"),
        ("network.clip.width=60", "network.video.vit.patch is 2,12,16, which does not divide"),
        ("network.video.vit.heads=5", "network.video.vit.heads is 5, which does not divide the width 64"),
        ("network.video.vit.decoder_heads=3", "decoder_heads is 3, which does not divide the width 32"),
        ("network.video.width=4", "takes 6 or more"),
        ("network.video.vit.boundary=0.001", "leaves no invariant part"),
        ("network.video.vit.boundary=1.0", "less than 1"),
        ("network.video.vit.mask=0.01", "masks none of 64 patches"),
        ("network.video.vit.mask=1.0", "a share"),
        ("network.name=gmf-ae", "gmf-ae masks nothing"),
        ("network.name=audio-video", "whose extractors are no 'vit'"),
        ("network.name=mae", "allowed are audio-video, gmf-mae, gmf-ae"),
        ("network.fusion.name=gmf", "with each other, fusion concat; got video,audio and network.fusion.name=gmf"),
        ("network.modalities=audio", "with each other"),
        ("network.video.name=resnet18", "does not take the settings extractor.vit"),
        ("network.video.weights=mae.pth", "leave out extractor.weights"),
        ("network.video.frozen=true", "leave out extractor.weights and extractor.frozen"),
    ],
)
def test_impossible_autoencoders_are_refused_with_what_is_allowed(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(preset("events-gmf-mae"), [setting])


def test_transformers_belong_to_the_autoencoders() -> None:
    with pytest.raises(ConfigError, match=r"needs the settings extractor\.vit; try a preset"):
        override(preset("events-gmf"), ["network.video.name=vit"])
