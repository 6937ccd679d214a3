"""Training generators: every preset learns, a killed run resumes exactly, losses and errors are what they say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.datasets.taskonomy.images import STORED
from crosswire.training.datasets.taskonomy.write import write_taskonomy
from crosswire.training.engine.checkpoints import LAST
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import CONFIG, read_run
from crosswire.training.overrides import override
from crosswire.training.report.translation import layer_groups
from crosswire.training.tasks.presets import PRESETS, preset
from crosswire.training.tasks.translation.config import DOMAINS as ALL_DOMAINS
from crosswire.training.tasks.translation.config import ImagesConfig, TranslationConfig, TranslatorConfig
from crosswire.training.tasks.translation.data import ViewDataset, eval_loader, train_transform
from crosswire.training.tasks.translation.domains import codec, codecs
from crosswire.training.tasks.translation.evaluate import TranslationRun
from crosswire.training.tasks.translation.images import RoomImages, images
from crosswire.training.tasks.translation.losses import task_error
from crosswire.training.tasks.translation.network import build_network
from tests.integration.training.engine.test_resume import VAL_EVERY, die, finish, resume
from tests.support.fork_server import ForkServer
from tests.support.paths import RUNS
from tests.support.training.kinds import standing_for_all

TINY = (
    "network.levels=4",
    "network.width=4",
    "data.height=32",
    "data.width=48",
    "data.resize=1.0",
    "data.train_scenes=4",
    "data.val_scenes=2",
    "data.test_scenes=2",
    "data.batch=2",
    "optimiser.discriminator_width=4",
    "steps=20",
    "val_every=20",
)
TRANSLATIONS = {name: c for name, c in PRESETS.items() if isinstance(c, TranslationConfig)}

#: Endings of presets that differ from another one only in where their fusion stands.
PLACES = tuple(
    f"-{fusion}-{place}"
    for fusion in ("concat", "average", "align", "attention")
    for place in ("early", "middle", "late")
)
#: What the presets of one table of the paper begin with.
PAPER = "taskonomy-shade-texture-rgb"
#: One preset of every source of images, loss, kind of sharing, of fusion, and of tasks.
FEW = (
    *(f"rooms-{ending}" for ending in ("translate", "multitask", "multitask-labels")),
    *(f"{PAPER}{ending}" for ending in ("", "-official", "-all-norms", "-concat-all", "-align-all", "-attention-all")),
    f"{PAPER}-norms-affine",
    "taskonomy-shade-texture-depth-rgb-norms-statistics",
    "taskonomy-depth-normal-texture-shade-rgb-norms-shared",
    "taskonomy-depth-normal-texture-rgb-weighted",
    "taskonomy-multitask-texture-hard",
    "taskonomy-multitask-rgb-grouped",
    "taskonomy-multitask-rgb-adashare",
    "taskonomy-both-texture-shade",
    "taskonomy-cycle-shade-texture",
    "taskonomy-cycle-depth-normal-random",
)


@pytest.fixture(scope="module")
def taskonomy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write rooms in the layout of Taskonomy, in its own ranges."""
    root = tmp_path_factory.mktemp("taskonomy")
    write_taskonomy(3, 6, (32, 48), root)
    return root


def shrunk(name: str, path: Path | None = None, *more: str) -> TranslationConfig:
    """Return a preset at a tiny size."""
    config = TRANSLATIONS[name]
    place = [f"data.path={path}"] if config.data.name == "taskonomy" else []
    return override(config, [*TINY, *place, *more])


def error(config: TranslationConfig, network: nn.Module) -> float:
    """Return the absolute error of a network on what it trains on."""
    batch = next(iter(eval_loader(override(config, ["data.batch=4"]), images(config.data, config.network, "train"))))
    with torch.no_grad():
        answers = network.train()(*batch.inputs).answers
        return float(task_error(answers, batch.targets, codecs(config.network.outputs, config.network), 1.0, 1.0))


def test_presets_of_the_papers_have_their_loss_and_the_official_ones_that_of_the_code() -> None:
    for name, config in TRANSLATIONS.items():
        if not name.startswith("taskonomy"):
            continue
        losses, official = config.optimiser, name.endswith("-official")
        found = (losses.stream_loss, losses.judged, losses.detach_ensemble, config.network.decoder_norms)
        assert found == ((1.0, "flows", True, "private") if official else (0.0, "answers", False, "shared")), name
        assert config.network.restrict == (not official), name
        if official:
            assert name.removesuffix("-official") in TRANSLATIONS


@pytest.mark.parametrize("name", ["rooms-translate", "rooms-multitask"])
def test_the_presets_of_served_networks_train_what_those_were_trained_with(name: str) -> None:
    """Their settings, and the loss and norms of every stream, which the papers' presets have not."""
    kept = json.loads((RUNS / name.replace("-", "_") / CONFIG).read_text())
    config = TRANSLATIONS[name]
    plain = json.loads(json.dumps(dataclasses.asdict(config)))
    for section in ("network", "optimiser"):
        of = plain[section]
        assert {key: of[key] for key in kept[section]} == kept[section], section
    assert (config.optimiser.judged, config.optimiser.adversarial) == ("flows", 0.0)


@pytest.mark.parametrize("name", standing_for_all((n for n in TRANSLATIONS if not n.endswith(PLACES)), FEW))
def test_the_error_of_every_preset_falls(name: str, taskonomy: Path, tmp_path: Path) -> None:
    """By a fifth for most; by 6 % where three tasks take turns, which get three times as many steps for it."""
    steps = 60 if name.endswith(("-random", "-compact")) else 20
    more = ("network.dropout=0", "optimiser.lr=2e-3", "optimiser.gamma_lr=2e-3", f"steps={steps}", f"val_every={steps}")
    config = shrunk(name, taskonomy, *more)
    torch.manual_seed(config.seed)
    before = error(config, build_network(config.network))
    fit(config, tmp_path, progress=False)
    assert error(config, read_run(tmp_path).network) < 0.97 * before


@pytest.mark.parametrize(
    "name", standing_for_all((n for n in TRANSLATIONS if n.endswith(PLACES)), [f"{PAPER}{x}" for x in PLACES[1::3]])
)
def test_a_fusion_in_other_places_trains_in_every_kernel(name: str, taskonomy: Path, tmp_path: Path) -> None:
    config = shrunk(name, taskonomy, "network.dropout=0", "steps=2", "val_every=2")
    torch.manual_seed(config.seed)
    before = build_network(config.network).state_dict()
    fit(config, tmp_path, progress=False)
    kernels = {key: weight for key, weight in read_run(tmp_path).network.named_parameters() if weight.ndim == 4}
    assert kernels and [key for key, weight in kernels.items() if torch.equal(weight, before[key])] == []


def test_an_adversarial_run_killed_and_resumed_ends_in_the_same_weights(forks: ForkServer, tmp_path: Path) -> None:
    """Order, dropout, the sampled task, both Adams, statistics and the moving rate all have to come back."""
    more = ("network.inputs=rgb,shade,texture", "network.outputs=rgb,shade,texture", "network.cycle=true")
    more += ("network.dropout=0.5", "network.norm=instance", "optimiser.adversarial=1", "optimiser.random_task=true")
    settings = [w for s in (*TINY, *more, "steps=24", f"val_every={VAL_EVERY}") for w in ("--set", s)]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finish("rooms-translate", "--to", straight, *settings)
    die(forks, "rooms-translate", "--to", killed, *settings)
    resume(forks, killed)
    one, other = (torch.load(folder / LAST, weights_only=True) for folder in (straight, killed))
    assert one["global_step"] == other["global_step"] == 48  # two optimisers
    assert any(key.startswith("judges.") for key in one["state_dict"])
    assert all(torch.equal(tensor, other["state_dict"][key]) for key, tensor in one["state_dict"].items())
    for mine, yours in zip(one["optimizer_states"], other["optimizer_states"], strict=True):
        for first, second in zip(mine["state"].values(), yours["state"].values(), strict=True):
            assert torch.equal(first["exp_avg_sq"], second["exp_avg_sq"])
    kept = (torch.load(folder / "weights.pt", weights_only=True) for folder in (straight, killed))
    first, second = kept
    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ("", {"": "texture shade"}),
        (
            "network.outputs=rgb,depth",
            {"encoder, to rgb": "texture shade", "encoder, to depth": "texture shade", "decoder": "rgb depth"},
        ),
        (
            "network.inputs=rgb,shade,texture network.outputs=rgb,shade,texture network.cycle=true",
            {
                "encoder, to rgb": "shade texture",
                "encoder, to shade": "rgb texture",
                "encoder, to texture": "rgb shade",
            },
        ),
        ("network.inputs=rgb network.outputs=depth,normal", {"": "depth normal"}),
        ("network.inputs=texture", {}),
    ],
)
def test_a_report_shows_layers_with_the_same_streams_together(
    changes: str, wanted: dict[str, str], tmp_path: Path
) -> None:
    config = override(preset("rooms-translate"), [*TINY, *changes.split()])
    assert isinstance(config, TranslationConfig)
    groups = layer_groups(TranslationRun(tmp_path, config, build_network(config.network)))
    assert {layers.where: " ".join(layers.streams) for layers in groups} == wanted
    assert all(norm.streams == len(layers.streams) for layers in groups for norm in layers.norms.values())


@pytest.mark.parametrize("name", ["rgb", "shade", "depth"])
@pytest.mark.parametrize("metres", [{}, {"depth_gain": 1.0, "depth_top": 2.3978952727983707}])
def test_a_domain_decodes_to_what_was_encoded(name: str, metres: dict[str, Any]) -> None:
    code = codec(name, TranslatorConfig(**metres))
    if code.domain.is_depth:
        raw: Any = np.linspace(0, 10, 48, dtype=np.float32).reshape(6, 8)
    else:
        raw = np.arange(48 * code.domain.channels, dtype=np.uint8).reshape(6, 8, -1)
    coded = code.encode(raw)
    assert coded.min() >= -1 and coded.max() <= 1 and coded.shape == (code.domain.channels, 6, 8)
    decoded = code.decode(np.broadcast_to(coded, (3, 6, 8)))
    np.testing.assert_allclose(decoded, raw, rtol=1e-4, atol=1e-4)
    assert decoded.dtype == raw.dtype


def test_every_domain_has_a_code_and_a_place_in_taskonomy() -> None:
    for name in ALL_DOMAINS:
        assert codec(name, TranslatorConfig()).domain.name == name
    assert set(STORED) == set(ALL_DOMAINS)
    with pytest.raises(ConfigError, match="taskonomy has no labels; allowed are rgb"):
        images(ImagesConfig("taskonomy", path="."), TranslatorConfig(outputs=("labels",), classes=3), "train")


def test_taskonomy_is_read_in_its_ranges_and_split_two_to_one(taskonomy: Path) -> None:
    config = override(TRANSLATIONS["taskonomy-rgb-edge-depth"], [f"data.path={taskonomy}"])
    train_views, val_views = (images(config.data, config.network, split) for split in ("train", "val"))
    assert (len(train_views), len(val_views)) == (4, 2)
    rooms = RoomImages(TranslatorConfig(inputs=("depth", "edge", "texture"), outputs=("rgb",)), 3, 6, (32, 48))
    view, truth = train_views[0], rooms[0]
    np.testing.assert_array_equal(view["edge"], truth["edge"])
    np.testing.assert_allclose(view["true depth"], truth["depth"], atol=1 / 512)
    (taskonomy / "edge_occlusion" / "point_5_view_0_domain_edge_occlusion.png").rename(taskonomy / "away.png")
    with pytest.raises(ConfigError, match=r"point_5_view_0_domain_edge_occlusion\.png: is missing"):
        images(config.data, config.network, "val")
    (taskonomy / "away.png").rename(taskonomy / "edge_occlusion" / "point_5_view_0_domain_edge_occlusion.png")


def test_a_view_is_cropped_and_mirrored_as_a_whole_and_normals_turn_round() -> None:
    network = TranslatorConfig(inputs=("normal", "shade"), outputs=("rgb",))
    view = RoomImages(network, 1, 1, (36, 54))[0]
    config = override(TRANSLATIONS["rooms-translate"], [*TINY, "data.resize=1.125", "data.flip=1"]).data
    changed = train_transform(config, 0)(view, 5)
    assert {picture.shape[:2] for picture in changed.values()} == {(32, 48)}
    again = train_transform(config, 0)(view, 5)
    assert all(np.array_equal(picture, again[name]) for name, picture in changed.items())
    plain = train_transform(
        override(TRANSLATIONS["rooms-translate"], [*TINY, "data.resize=1.125", "data.flip=0"]).data, 0
    )
    straight = plain(view, 5)
    np.testing.assert_array_equal(changed["shade"], straight["shade"][:, ::-1])
    np.testing.assert_array_equal(changed["normal"][..., 0], 255 - straight["normal"][:, ::-1, 0])


def test_rooms_come_in_as_sensors_take_them_and_go_out_as_they_are() -> None:
    network = TranslatorConfig(inputs=("rgb", "depth", "shade"), outputs=("rgb", "depth", "shade"), cycle=True)
    source = RoomImages(network, 1, 12, (32, 40))
    views = [source[index] for index in range(12)]
    assert any((view["depth"] == 0).any() for view in views)
    assert all((view["true depth"] > 0).all() for view in views)
    assert any(view["true rgb"].mean() > 1.5 * view["rgb"].mean() for view in views)  # a dark room
    dataset = ViewDataset(source, codecs(network.inputs, network), codecs(network.outputs, network), lambda v, _: v)
    inputs, targets = dataset[0]
    assert [tuple(x.shape) for x in inputs] == [(3, 32, 40), (1, 32, 40), (1, 32, 40)]
    assert {tuple(x.shape) for x in targets} == {(3, 32, 40)}


def test_the_commands_train_score_infer_and_report_a_translation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    settings = [w for s in (*TINY, "steps=2", "val_every=2") for w in ("--set", s)]
    assert main(["train", "rooms-multitask", "--to", str(run), "--quiet", *settings]) == 0
    assert "a constant colour: mae" in capsys.readouterr().out
    assert main(["evaluate", str(run), "--flip", "--quiet"]) == 2
    assert "belong to segmentation" in capsys.readouterr().err
    np.savez(tmp_path / "in.npz", rgb=np.zeros((2, 3, 32, 48), np.float32))
    assert main(["infer", str(run), "--tensors", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz")]) == 0
    with np.load(tmp_path / "out.npz") as made:
        assert {name: made[name].shape for name in made.files} == dict.fromkeys(
            ("predicted_depth", "predicted_normal"), (2, 3, 32, 48)
        )
    assert main(["report", str(run)]) == 0
    page = (run / "report" / "index.html").read_text(encoding="utf-8")
    assert "Translated test views" in page and (run / "report" / "pictures.png").stat().st_size > 1000
    drawn = {"feature_maps", "exchanged_per_layer", "exchanged_over_steps", "gamma_trajectories", "gamma_proportions"}
    assert {path.stem for path in (run / "report").glob("*.png")} == {"pictures", *drawn}
    scores = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["scores"]
    assert set(scores["depth"]) == {"mae", "mse", "rmse", "constant_mae"}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("data.height=100", "set network.levels=2"),
        ("network.inputs=shade,segment2d", "the rooms have no domain 'segment2d'"),
        ("optimiser.consistency=1", "go together"),
        ("network.outputs=labels", "with labels among network.outputs it is 2 to 255"),
        ("network.inputs=labels", r"network.inputs has 'labels'; allowed are rgb, .*, segment25d$"),
        ("data.name=cityscapes", "allowed are rooms, taskonomy, none"),
    ],
)
def test_a_run_that_cannot_be_is_refused_with_what_to_do(assignment: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(override(preset("rooms-translate"), [assignment]), tmp_path, progress=False)
