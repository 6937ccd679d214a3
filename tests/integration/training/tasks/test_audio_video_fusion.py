"""One behavioural contract over every fusion of feature vectors, GMF's published sizes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor

from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.models.vector_fusion import FUSIONS, GMF, Fusion, FusionConfig, build_fusion, count_fusion
from crosswire.training.tasks.audio_video.config import DETACH, FUSION_NAMES
from tests.support.training.kinds import standing_for_all

#: Sizes that the contract is run over: equal ones, unequal ones, three modalities.
DIMS = ((16, 16), (8, 24), (12, 8, 16))
WITH_LOSS = {"gmf", "misa", "drfuse", "g-concat", "g-mbt", "g-perceiver"}


def tiny(name: str, dims: tuple[int, ...] = (8, 24)) -> Fusion:
    """Build a small fusion with fixed weights."""
    torch.manual_seed(0)
    own = FUSIONS[name].settings
    small = {key: value for key, value in {"depth": 2, "latents": 4, "bottlenecks": 2}.items() if key in own}
    return build_fusion(FusionConfig(name, **small), dims)


def features(dims: tuple[int, ...], batch: int = 3) -> list[Tensor]:
    """Return fixed feature vectors."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch, size, generator=generator) for size in dims]


def test_the_registry_holds_the_fusions_that_a_configuration_may_name() -> None:
    assert tuple(FUSIONS) == FUSION_NAMES


# The contract -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("name", FUSIONS)
def test_every_fusion_gives_the_vector_that_it_announces(name: str, dims: tuple[int, ...]) -> None:
    fusion = tiny(name, dims).eval()
    joint, loss = fusion(features(dims))
    assert joint.shape == (3, fusion.out_features)
    assert loss is None


@pytest.mark.parametrize("name", FUSIONS)
def test_every_fusion_answers_each_sample_as_if_it_were_alone(name: str) -> None:
    fusion = tiny(name).eval()
    together = features((8, 24))
    alone = torch.cat([fusion([x[i : i + 1] for x in together]).joint for i in range(3)])
    torch.testing.assert_close(fusion(together).joint, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("name", FUSIONS)
def test_every_parameter_and_every_feature_receives_a_gradient(name: str, dims: tuple[int, ...]) -> None:
    fusion = tiny(name, dims).train()
    given = [x.requires_grad_() for x in features(dims)]
    joint, loss = fusion(given)
    assert (loss is not None) == (name in WITH_LOSS)
    (joint.square().sum() + (0 if loss is None else loss)).backward()
    assert [key for key, parameter in fusion.named_parameters() if parameter.grad is None] == []
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in given)


@pytest.mark.parametrize("name", FUSIONS)
def test_every_fusion_listens_to_every_modality_and_bears_the_absence_of_any(name: str) -> None:
    fusion = tiny(name, (12, 8, 16)).eval()
    given = features((12, 8, 16))
    full = fusion(given).joint
    for absent in range(3):
        part = fusion([x * (index != absent) for index, x in enumerate(given)]).joint
        assert part.isfinite().all()
        assert not torch.allclose(part, full)


@pytest.mark.parametrize("name", FUSIONS)
def test_every_fusion_comes_back_from_its_weights(name: str, tmp_path: Path) -> None:
    fusion = tiny(name).eval()
    torch.save(fusion.state_dict(), tmp_path / "weights.pt")
    torch.manual_seed(9)
    other = build_fusion(FusionConfig(name, **_settings(name)), (8, 24)).eval()
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    torch.testing.assert_close(fusion(features((8, 24))).joint, other(features((8, 24))).joint)


def _settings(name: str) -> dict[str, int]:
    """Return what `tiny` sets."""
    own = FUSIONS[name].settings
    return {key: value for key, value in {"depth": 2, "latents": 4, "bottlenecks": 2}.items() if key in own}


# GMF ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dims", "params"),
    [
        ((512, 512), 5_250_048),
        ((128, 128), 329_472),
        ((128, 4096), 119_202_816),
        ((4096, 4096), 335_601_664),
        ((128, 512), 2_199_552),
    ],
)
def test_gmf_has_the_published_sizes(dims: tuple[int, ...], params: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["count", "gmf", "--dims", ",".join(map(str, dims)), "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert counted["params"] == params
    biases = sum(4 * size + size + min(dims) + size for size in dims)
    assert counted["macs"] == params - biases


def test_settings_of_a_fusion_are_counted_and_nonsense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    def counted(*settings: str) -> int:
        words = [word for setting in settings for word in ("--set", setting)]
        assert main(["count", "mbt", "--dims", "64,64", "--json", *words]) == 0
        return int(json.loads(capsys.readouterr().out)["params"])

    assert counted("depth=2") < counted("depth=3") < counted("depth=3", "width=128")
    assert main(["count", "mbt", "--dims", "64,64", "--set", "deep=3"]) == 2
    assert "'deep' names no setting; there are: name, expansion" in capsys.readouterr().err


def test_half_of_the_features_as_the_boundary_gives_other_sizes_than_the_published_one() -> None:
    assert count_fusion(FusionConfig("gmf", boundary=1 / 8), (128, 4096))[0] == 143_582_208


@pytest.mark.parametrize("boundary", [0.1, 0.25, 0.5, 0.9])
def test_equal_features_make_the_size_of_gmf_independent_of_the_boundary(boundary: float) -> None:
    assert count_fusion(FusionConfig("gmf", boundary=boundary), (40, 40, 40))[0] == 3 * (10 * 40**2 + 7 * 40)
    # dissolve and concentrate n l² each, reconstruct 2 l²; biases n l + l + l + l


@pytest.mark.parametrize(
    ("name", "params"), [("mbt", 37.83), ("perceiver", 45.05), ("g-mbt", 43.08), ("g-perceiver", 50.30)]
)
def test_comparators_have_the_sizes_of_the_papers_table_2(name: str, params: float) -> None:
    assert round(count_fusion(FusionConfig(name), (512, 512))[0] / 1e6, 2) == params


def test_gmf_joins_the_next_invariant_part_with_its_own_specific_part() -> None:
    gmf = tiny("gmf", (12, 8, 16)).eval()
    assert isinstance(gmf, GMF)
    given = features((12, 8, 16))
    parts = gmf.parts(given)
    changed = gmf.parts([given[0], given[1] + 1, given[2]])
    joints = gmf.exchanged(parts), gmf.exchanged(changed)
    assert [z.shape[1] for z in joints[0]] == [8 + 12, 8 + 8, 8 + 16]
    moved = [(one != other).any(0) for one, other in zip(*joints, strict=True)]
    assert moved[0][:8].all() and not moved[0][8:].any()  # reads the second modality's invariant part
    assert not moved[1][:8].any() and moved[1][8:].all()  # its own specific part
    assert not moved[2].any()


def test_gmf_is_linear() -> None:
    gmf = tiny("gmf").eval()
    one, other = features((8, 24)), [x.flip(0) for x in features((8, 24))]
    middle = gmf([(x + y) / 2 for x, y in zip(one, other, strict=True)]).joint
    torch.testing.assert_close(middle, (gmf(one).joint + gmf(other).joint) / 2)


def test_the_reconstruction_reaches_the_features_only_as_far_as_it_may() -> None:
    reached: dict[str, list[Tensor | None]] = {}
    for detach in DETACH:
        torch.manual_seed(0)
        gmf = build_fusion(FusionConfig("gmf", detach=detach), (8, 24)).train()
        given = [x.requires_grad_() for x in features((8, 24))]
        loss = gmf(given).loss
        assert loss is not None
        loss.backward()
        assert all(p.grad is not None for p in gmf.parameters())
        reached[detach] = [x.grad for x in given]
    assert reached["features"] == [None, None]
    for whole, part in zip(reached["none"], reached["target"], strict=True):
        assert whole is not None and part is not None
        assert not torch.allclose(whole, part)


def test_gmf_can_learn_to_rebuild_its_features() -> None:
    torch.manual_seed(0)
    gmf = build_fusion(FusionConfig("gmf"), (8, 12)).train()
    given = features((8, 12), batch=64)
    optimiser = torch.optim.SGD(gmf.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(200):
        optimiser.zero_grad()
        loss = gmf(given).loss
        assert loss is not None
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.02 * losses[0]


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "dims", "message"),
    [
        ({"name": "swap"}, (8, 8), "network.fusion.name is 'swap'; allowed are concat, gmf"),
        ({"boundary": 1.0}, (8, 8), "network.fusion.boundary is 1.0; allowed is more than 0, less than 1"),
        ({"boundary": 0.01}, (8, 8), "leaves both sides"),
        ({"expansion": 0}, (8, 8), "expansion is 0"),
        ({"detach": "all"}, (8, 8), "allowed are none, target, features"),
        ({"name": "mbt", "depth": 0}, (8, 8), "depth is 0"),
        ({}, (8,), "two modalities or more, not 1"),
        ({}, (), "each 1 or more"),
    ],
)
def test_impossible_fusions_are_refused_with_what_is_allowed(
    settings: dict[str, object], dims: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_fusion(FusionConfig(**settings), dims)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["count", "gmf"], "--dims 512,512"),
        (["count", "refinenet50", "--dims", "512,512"], "--dims belongs to the fusions"),
    ],
)
def test_a_count_that_lacks_its_sizes_says_which(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


# Export -------------------------------------------------------------------------------------------------------------


class _Positional(torch.nn.Module):
    """A fusion whose vectors are arguments of their own."""

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, *raw: Tensor) -> Tensor:
        joint: Tensor = self.fusion(raw).joint
        return joint


@pytest.mark.parametrize("name", standing_for_all(("gmf", "g-mbt", "g-perceiver"), ("gmf", "g-perceiver")))
def test_a_fusion_answers_in_onnx_runtime_as_in_pytorch_at_any_batch(name: str, tmp_path: Path) -> None:
    from crosswire.contract import TensorSpec
    from crosswire.export.graph_file import save
    from crosswire.export.onnx_graph import check, exported

    fusion = _Positional(tiny(name)).eval()
    specs = [TensorSpec(f"f{index}", "FP32", (size,), ("feature",), "feature") for index, size in enumerate((8, 24))]
    model = exported(fusion, specs, ["joint"], 8)
    check(model, specs, [TensorSpec("joint", "FP32", (fusion.fusion.out_features,), ("feature",), "feature")])
    save(model, tmp_path / "fusion.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "fusion.onnx", providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        given = features((8, 24), batch)
        (joint,) = session.run(None, {spec.name: x.numpy() for spec, x in zip(specs, given, strict=True)})
        torch.testing.assert_close(torch.from_numpy(joint), fusion(*given), rtol=1e-4, atol=1e-4)
