"""One behavioural contract over every generator, and the sizes that SPEC and papers give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from crosswire.export.freeze import freeze
from crosswire.training.config import ConfigError
from crosswire.training.models import PrivateNorm2d, exchanged_share, exchanging_norms
from crosswire.training.models.count import count_parameters
from crosswire.training.models.translation import InstanceNorm, PartlySharedNorm2d, PatchDiscriminator, task_blocks
from crosswire.training.models.translation.sharing import shared_norms
from crosswire.training.tasks.translation.config import TranslatorConfig
from crosswire.training.tasks.translation.domains import domain
from crosswire.training.tasks.translation.network import TranslationNetwork, build_network

INPUTS = ("rgb", "shade", "texture", "depth")
SIZE = (32, 48)


def task(inputs: int, outputs: int, **changes: Any) -> dict[str, Any]:
    """Return the domains of a network, outputs with a decoder each where there are several."""
    names = ("normal", "edge", "curvature")[:outputs]
    return {"inputs": INPUTS[:inputs], "outputs": names, "decoders": tuple(range(outputs)), **changes}


def cycle(domains: int, **changes: Any) -> dict[str, Any]:
    """Return the domains of a cycle."""
    return {"inputs": INPUTS[:domains], "outputs": INPUTS[:domains], "cycle": True, **changes}


#: Every network: what fuses where, how many come in and go out, and who shares what.
KINDS: dict[str, dict[str, Any]] = {
    **{f"translation of {m}": task(m, 1) for m in (1, 2, 3, 4)},
    **{f"multitask to {t}": task(1, t) for t in (2, 3)},
    **{f"{m} to {t}": task(m, t) for m in (2, 3, 4) for t in (2, 3)},
    "2 to 2, encoder alone": task(2, 2, place="encoder"),
    "2 to 2, decoder alone": task(2, 2, place="decoder"),
    "2 to 2 with one decoder": task(2, 2, decoders=()),
    "individual": task(1, 2, encoders=(0, 1), fusion="none"),
    "hard sharing": task(1, 2, fusion="none"),
    "select or skip": task(1, 3, fusion="none", blocks=2),
    "select or skip, official statistics": task(1, 2, fusion="none", blocks=1, statistics="instance"),
    "two encoders for three tasks": task(2, 3, encoders=(0, 0, 1)),
    "pictures of two tasks": task(2, 2, mix="pictures"),
    "cycle of 3": cycle(3, decoder_norms="shared"),
    "cycle of 4": cycle(4),
    "cycle with a decoder per task": cycle(3, decoders=(0, 1, 2), decoder_norms="shared"),
    "norms everywhere": task(2, 1, normed="all"),
    "official": task(2, 1, restrict=False, unused_norms=True),
    "official statistics": task(2, 1, statistics="instance"),
    "official statistics of 2 to 2": task(2, 2, statistics="instance"),
    "batch norms": task(2, 2, norm="batch"),
    "convolutions of one's own": task(2, 1, share_convs=False),
    "shared decoder norms": task(3, 1, decoder_norms="shared"),
    **{
        f"{sharing} encoder {norm} norms of {m}": task(m, 1, fusion="none", norm_sharing=sharing, norm=norm)
        for sharing in ("affine", "statistics", "shared")
        for norm, m in (("instance", 2), ("instance", 3), ("batch", 4))
    },
    **{
        f"{sharing} encoder norms of a cycle": cycle(3, fusion="none", norm_sharing=sharing)
        for sharing in ("affine", "statistics", "shared")
    },
    "affine encoder norms, official statistics": task(
        3, 1, fusion="none", norm_sharing="affine", statistics="instance"
    ),
    **{rule: task(2, 1, fusion=rule) for rule in ("none", "discard", "random", "fixed", "sum", "gate", "cbn")},
    **{f"{rule} of 2 to 2": task(2, 2, fusion=rule) for rule in ("discard", "sum", "weighted")},
    "weighted of 3": task(3, 1, fusion="weighted"),
    **{
        f"{fusion} {where} {setting}": task(2, 1, fusion=fusion, where=where, setting=setting)
        for fusion in ("concat", "average", "align", "attention")
        for where in ("early", "middle", "late", "all")
        for setting in ("same", "common")
    },
}


def config(kind: str) -> TranslatorConfig:
    """Return a narrow network of a kind."""
    return TranslatorConfig(**{"levels": 4, "width": 4, "dropout": 0.1, **KINDS[kind]})


def shaken(kind: str) -> TranslationNetwork:
    """Build a narrow network with random statistics, α and blocks that exchanges about half of what it may."""
    torch.manual_seed(1)
    network = build_network(config(kind)).eval()
    for module in network.modules():
        if isinstance(module, PartlySharedNorm2d) or (
            isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d) and module.affine
        ):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_()
        if isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight)
    for norm in exchanging_norms(network).values():
        for weights in norm.rule.parameters():
            weights.data.normal_()
        for gamma in norm.gammas:
            gamma.data[torch.rand(norm.channels) < 0.5] = 0.005
    for part in task_blocks(network):
        part.logits.data.normal_()
    network.mix.scores.data.normal_()
    return network


def noise(kind: str, batch: int = 2, size: tuple[int, int] = SIZE) -> list[torch.Tensor]:
    """Return normalised noise for every input."""
    return [torch.rand(batch, domain(name).channels, *size) * 2 - 1 for name in config(kind).inputs]


@pytest.mark.parametrize("kind", KINDS)
def test_every_generator_makes_a_picture_per_output_and_flow(kind: str) -> None:
    network, tasks = shaken(kind), len(config(kind).outputs)
    with torch.inference_mode():
        answers, flows, _ = network(*noise(kind))
    assert answers.shape == (2 * tasks, 3, *SIZE)
    assert answers.abs().max() <= 1
    decoded = tasks if config(kind).mixes_features else 1 if config(kind).merges else tasks * config(kind).streams
    assert flows.shape == (2 * decoded, 3, *SIZE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_of_every_generator_receives_a_gradient(kind: str) -> None:
    network = build_network(config(kind)).train()
    answers, flows, auxiliary = network(*noise(kind))
    (answers.square().mean() + flows.mean() + (0 if auxiliary is None else auxiliary)).backward()
    silent = [key for key, p in network.named_parameters() if p.grad is None and not key.startswith("unused.")]
    assert silent == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_generator_answers_the_same_after_saving_and_loading(kind: str) -> None:
    network, other = shaken(kind), build_network(config(kind)).eval()
    other.load_state_dict(network.state_dict())
    x = noise(kind)
    with torch.inference_mode():
        torch.testing.assert_close(other(*x).answers, network(*x).answers)


@pytest.mark.parametrize("kind", KINDS)
def test_every_frozen_generator_answers_as_the_live_one_and_holds_no_mask(kind: str) -> None:
    network = shaken(kind)
    if exchanging_norms(network):
        assert exchanged_share(network) > 0.1
    frozen = freeze(network)
    norms = nn.BatchNorm2d | PrivateNorm2d | PartlySharedNorm2d | InstanceNorm
    assert not [m for m in frozen.modules() if isinstance(m, norms)]
    for batch in (1, 3):
        x = noise(kind, batch)
        with torch.inference_mode():
            live = network(*x).answers.unflatten(0, (-1, batch))
            answers = frozen(*x)
        assert len(answers) == len(live)
        assert max(float((one - other).abs().max()) for one, other in zip(answers, live, strict=True)) < 1e-4


@pytest.mark.parametrize("kind", ["translation of 2", "translation of 4", "multitask to 3", "2 to 2", "cycle of 3"])
def test_a_frozen_generator_computes_no_replaced_filter(kind: str) -> None:
    network = shaken(kind)
    frozen = freeze(network)
    for name, norm in exchanging_norms(network).items():
        stage, _, part = name.partition(".norm")
        first = int(part.removeprefix(".parts.") or 0) * norm.streams
        stem = f"{stage.replace('.', '_')}_conv_"
        filters = [frozen.get_submodule(f"{stem}{first + stream}").bias.numel() for stream in range(norm.streams)]
        # What several streams replace is still lent by them where a third one needs it; own parts never overlap.
        assert filters == [norm.channels - int(mask.sum()) for mask in norm.masks()]


@pytest.mark.parametrize(("kind", "streams"), [("cycle of 3", 6), ("cycle of 4", 12), ("2 to 2", 4), ("3 to 2", 6)])
def test_a_level_of_the_encoder_holds_one_set_of_norms_per_task_and_input(kind: str, streams: int) -> None:
    network = build_network(config(kind))
    private = [m for m in network.encoder.stages[1].norm.modules() if isinstance(m, PrivateNorm2d)]
    assert sum(len(norm.norms) for norm in private) == streams


def test_alpha_weighs_features_and_every_skip_and_learns_from_what_the_decoders_make() -> None:
    network = build_network(config("2 to 2")).train()
    calls: list[int] = []
    network.mix.register_forward_hook(lambda *_: calls.append(1))
    network(*noise("2 to 2")).answers.square().mean().backward()
    assert len(calls) == config("2 to 2").levels
    assert network.mix.scores.shape == (2, 2)
    assert network.mix.scores.grad.abs().min() > 0


def test_exchanged_channels_reach_the_decoder_through_the_skips() -> None:
    kind = "translation of 2"
    network = shaken(kind)
    x = noise(kind)
    with torch.inference_mode():
        before = network(*x).flows[:2]
        other = network(x[0], -x[1]).flows[:2]
        for norm in exchanging_norms(network).values():
            for gamma in norm.gammas:
                gamma.fill_(1.0)
        alone = network(*x).flows[:2]
        still = network(x[0], -x[1]).flows[:2]
    assert not torch.allclose(before, other)
    torch.testing.assert_close(alone, still)


def test_fixed_statistics_do_not_look_at_the_picture_and_instance_statistics_do() -> None:
    norm = InstanceNorm(3).train()
    for _ in range(200):
        norm(torch.randn(1, 3, 8, 8) * 2 + 1)
    norm.eval()
    x = torch.randn(1, 3, 8, 8) * 5
    torch.testing.assert_close(norm(x), (x - 1) / 2, atol=0.2 * float(x.abs().max()), rtol=0)
    norm.own_statistics = True
    torch.testing.assert_close(norm(x).mean((2, 3)), torch.zeros(1, 3), atol=1e-5, rtol=0)
    assert norm.running_mean.abs().min() > 0.5  # answering changes nothing


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, InstanceNorm])
@pytest.mark.parametrize("sharing", ["affine", "statistics", "shared"])
def test_norms_share_what_they_say_and_nothing_else(sharing: str, norm: type[nn.Module]) -> None:
    """After training on two streams of another mean and spread: running statistics and gradients of γ."""
    torch.manual_seed(0)
    layer = shared_norms(sharing, 3, 2, norm).train()
    for _ in range(200):
        layer(torch.cat([torch.randn(4, 3, 8, 8) * 2 + 1, torch.randn(4, 3, 8, 8) - 3]))
    x = torch.randn(4, 3, 8, 8)
    same = layer.eval()(torch.cat([x, x])).detach()
    alike = torch.allclose(same[:4], same[4:])
    assert alike == (sharing != "affine")  # γ and β are still 1 and 0
    layer(torch.cat([x, 3 * x])).square().sum().backward()
    by_stream = layer.weight.grad.shape == (2, 3)
    assert by_stream == (sharing == "statistics")
    statistics = [m for m in layer.modules() if isinstance(m, norm)]
    means = [float(m.running_mean.mean()) for m in statistics]
    assert means == pytest.approx([1, -3] if sharing == "affine" else [-1], abs=0.2)
    spread = [float(m.running_var.mean()) for m in statistics]
    between = 4 if norm is nn.BatchNorm2d else 0  # a batch of both holds how far their means are from each other, too
    assert spread == pytest.approx([4, 1] if sharing == "affine" else [2.5 + between], rel=0.15)


def test_instance_norms_train_alike_whoever_shares_statistics() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 3, 8, 8)
    shared, alone = (shared_norms(sharing, 3, 2, InstanceNorm).train() for sharing in ("statistics", "affine"))
    torch.testing.assert_close(shared(x), alone(x))
    mixed, apart = (shared_norms(sharing, 3, 2, nn.BatchNorm2d).train() for sharing in ("statistics", "affine"))
    x[:3] += 1
    assert not torch.allclose(mixed(x), apart(x), atol=0.1)


CYCLE = {"inputs": ("rgb", "shade", "texture"), "outputs": ("rgb", "shade", "texture"), "cycle": True}
TWO = {"inputs": ("rgb",), "outputs": ("depth", "normal")}


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({"inputs": ("shade",), "unused_norms": True}, 54_420_618),
        ({"decoder_norms": "private", "unused_norms": True}, 54_431_633),
        ({"decoder_norms": "private"}, 54_429_317),
        ({"decoder_norms": "shared"}, 54_429_317 - 4_992),
        ({**CYCLE, "decoder_norms": "shared"}, 54_443_779 + 6),
        ({**CYCLE, "decoder_norms": "shared", "unused_norms": True}, 54_450_697 + 6),
        ({**TWO, "decoders": (0, 1)}, 19_535_808 + 2 * 34_873_795 + 2 * 4_864 + 2 * 4_992 + 2),
        # A level's norms are one set for both tasks; blocks of 128, 256 and four times 512 have two 3x3 convolutions.
        (
            {**TWO, "decoders": (0, 1), "fusion": "none", "blocks": 1},
            19_535_808 + 2 * 34_873_795 + 4_864 + 2 * 4_992 + 2 + 18 * 1_130_496 + 6 * 2_432 + 6 * 2 * 2,
        ),
        ({**TWO, "decoders": (0, 1), "encoders": (0, 1)}, 2 * (19_535_808 + 34_873_795 + 4_864 + 4_992) + 2),
    ],
)
def test_generators_have_the_sizes_of_papers_and_official_code(changes: dict[str, Any], parameters: int) -> None:
    assert count_parameters(TranslatorConfig(**changes), build_network) == parameters


def test_the_discriminator_has_the_published_size_and_judges_30_by_30_patches() -> None:
    with torch.device("meta"):
        judge, official = PatchDiscriminator(), PatchDiscriminator(unused_norms=True)
        picture = torch.empty(1, 3, 256, 256)
        assert judge(picture, picture).shape == (1, 1, 30, 30)
    assert sum(p.numel() for p in judge.parameters()) == 2_769_601
    assert sum(p.numel() for p in official.parameters()) == 2_769_731


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": ("sound",)}, "allowed are rgb, depth"),
        ({"inputs": ("rgb",)}, "both in network.inputs and network.outputs"),
        ({"cycle": True}, "three or four domains"),
        ({"encoders": (1,)}, "rising from 0"),
        ({"outputs": ("rgb", "normal"), "fusion": "concat"}, "there are several outputs"),
        ({"setting": "common"}, "set network.setting=same"),
        ({"place": "decoder"}, "set network.place=auto"),
        ({"norm": "batch", "statistics": "instance"}, "set network.norm=instance"),
        ({"norm_sharing": "affine"}, "set network.fusion=none"),
        ({"blocks": 1, "fusion": "none"}, "network.blocks are chosen by several outputs of one input"),
        ({**TWO, "blocks": 1}, "without exchange; set network.fusion=none"),
        ({**TWO, "blocks": 1, "fusion": "none", "encoders": (0, 1)}, "network.blocks go with one encoder"),
        ({"norm_sharing": "shared", "fusion": "none", "penalise": "half"}, "network.penalise=auto"),
        ({"norm_sharing": "statistics", "fusion": "none", "statistics": "instance"}, "set network.statistics=fixed"),
    ],
)
def test_a_network_that_contradicts_itself_is_refused_with_what_to_do(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TranslatorConfig(**changes)
