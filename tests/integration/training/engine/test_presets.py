"""Every preset trains, and most learn: on procedural frames in its data set's own layout, at a tiny size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crosswire.training.config import RunConfig
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.write import split_evenly
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.models import SegmentationNetwork
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import PRESETS as ALL
from crosswire.training.tasks.registry import TASKS, NetworkFamily, Task, network_family_of, task_name, task_of
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.data import PROCEDURAL, eval_loader, frames
from crosswire.training.tasks.segmentation.losses import task_loss
from crosswire.training.tasks.segmentation.network import build_network
from tests.support.training.kinds import standing_for_all

FRAMES = 10
PRESETS = {name: config for name, config in ALL.items() if isinstance(config, SegmentationConfig)}
#: The shallowest network with the same parts.
SHALLOW = {"refinenet": "refinenet14", "pspnet": "pspnet14", "cen-lite": "cen-lite-s"}

#: Presets that differ from another one only in where their fusion stands, which is built the same there.
PLACES = [
    f"nyuv2-refinenet101-{fusion}-{place}"
    for fusion in ("concat", "average", "align", "attention")
    for place in ("early-common", "middle", "middle-common", "late", "late-common", "all")
]

#: One preset of every source of frames, family of networks and kind of sharing, and two fusions with weights.
FEW = (
    "rooms-quick",
    "tabletop-quick",
    "sunrgbd-pspnet152",
    "cityscapes-pspnet101",
    "sunrgbd-refinenet101-official",
    *(f"nyuv2-refinenet101{ending}" for ending in ("", "-su-half", "-discard", "-uu-cbn")),
    "nyuv2-refinenet101-align-early",
    "nyuv2-refinenet101-attention-early",
)
#: Two places of every fusion.
FEW_PLACES = [name for name in PLACES if name.endswith(("-middle", "-late-common"))]

#: Presets whose rates are those of trained weights; see `test_transfer.py`.
PRETRAINED = ("fine-tune", "fine-tune-rgb", "fine-tune-depth")


@pytest.mark.parametrize("config", [next(c for c in ALL.values() if task_name(c) == name) for name in TASKS])
def test_a_task_has_all_that_its_protocols_name(config: RunConfig) -> None:
    for protocol, module in ((Task, task_of(config)), (NetworkFamily, network_family_of(config))):
        named = {name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")}
        assert not named - set(vars(module)), protocol.__name__


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write the same rooms in the layout of every data set that a preset names."""
    rooms = RoomsFrames(3, FRAMES, 48, 64)
    folders = {}
    for name in {config.data.name for config in PRESETS.values()} - {*PROCEDURAL, "folder"}:
        folders[name] = tmp_path_factory.mktemp(name)
        LAYOUTS[name].write(rooms, folders[name], split_evenly(FRAMES))
    return folders


def shrunk(config: SegmentationConfig, path: Path | None) -> SegmentationConfig:
    """Return a preset at a tiny size that reads its data from a folder."""
    network = next(small for family, small in SHALLOW.items() if config.network.name.startswith(family))
    crop = {"height": 32, "width": 48} if path else {"height": 48, "width": 64}
    settings = {
        "network.name": network,
        "network.width": 8,
        "network.features": 8,
        "network.dropout": 0.0,
        "network.frozen_statistics": False,  # there are no weights to begin from
        "data.path": path or "",
        "data.shorter_side": 0,
        "data.train_scenes": 6,
        "data.val_scenes": 2,
        "data.batch": 3,
        "steps": 20,
        "val_every": 20,
        **{f"data.{key}": value for key, value in crop.items()},
    }
    if path:  # the papers' rates are those of encoders that were trained before: fresh ones hardly move
        rates = dict.fromkeys(("encoder_lr", "decoder_lr", "gamma_lr"), 0.05)
        settings |= {f"optimiser.{key}": value for key, value in {**rates, "clip": 2.0}.items()}
    return override(config, [f"{key}={value}" for key, value in settings.items()])


def loss(config: SegmentationConfig, network: SegmentationNetwork) -> float:
    """Return what a network has still to learn about the whole frames that it trains on."""
    batch = next(iter(eval_loader(override(config, ["data.eval_batch=6"]), frames(config.data, "train"))))
    with torch.no_grad():
        return float(task_loss(network.train()(*batch.inputs), batch.labels))


@pytest.mark.parametrize("name", standing_for_all((n for n in PRESETS if n not in (*PLACES, *PRETRAINED)), FEW))
def test_the_loss_of_every_preset_falls_in_20_steps(name: str, layouts: dict[str, Path], tmp_path: Path) -> None:
    """To less than four fifths, most to less than two thirds: too far for rounding to decide."""
    config = shrunk(PRESETS[name], layouts.get(PRESETS[name].data.name))
    torch.manual_seed(config.seed)
    before = loss(config, build_network(config.network))
    fit(config, tmp_path, progress=False)
    assert loss(config, read_run(tmp_path).network) < 0.9 * before


@pytest.mark.parametrize("name", standing_for_all(PLACES, FEW_PLACES))
def test_a_fusion_in_other_places_trains_in_every_kernel(name: str, layouts: dict[str, Path], tmp_path: Path) -> None:
    config = override(shrunk(PRESETS[name], layouts[PRESETS[name].data.name]), ["steps=2", "val_every=2"])
    torch.manual_seed(config.seed)
    before = build_network(config.network).state_dict()
    fit(config, tmp_path, progress=False)
    kernels = {key: weight for key, weight in read_run(tmp_path).network.named_parameters() if weight.ndim == 4}
    assert [key for key, weight in kernels.items() if torch.equal(weight, before[key])] == []


def test_presets_are_named_after_their_experiment_and_use_its_network() -> None:
    for name, config in PRESETS.items():
        assert config.preset == name
        if name in PRETRAINED:  # for anybody's frames
            assert config.data.name == "folder" and config.network.imagenet == "installed"
            continue
        data, *rest = name.split("-")
        assert config.data.name == data
        if data not in PROCEDURAL:
            assert config.network.name == rest[0]
            assert config.network.classes == {"nyuv2": 40, "sunrgbd": 37, "cityscapes": 19}[data]
            assert (config.data.batch, config.data.height, config.data.width) == (6, 500, 500)
            assert config.steps % config.val_every == 0
