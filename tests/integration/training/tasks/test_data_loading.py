"""From frames to batches: every frame once per pass, the same for any number of processes, and learnable."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from crosswire.training.config import ConfigError, RuntimeConfig
from crosswire.training.datasets.frames import IGNORE, Frame
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.write import split_evenly
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.engine.sampling import StepSampler
from crosswire.training.tasks.segmentation.config import DataConfig, OptimiserConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.data import PROCEDURAL, Batch, eval_loader, frames, train_loader
from crosswire.training.tasks.segmentation.losses import task_loss
from crosswire.training.tasks.segmentation.network import build_network
from crosswire.training.tasks.segmentation.transforms import flip


class Mixed:
    """Two frames of different sizes."""

    classes = ("a", "b")
    palette = ((0, 0, 0), (255, 255, 255))

    def __len__(self) -> int:
        """Number of frames."""
        return 2

    def __getitem__(self, index: int) -> Frame:
        """Return one frame."""
        shape = ((6, 4), (5, 8))[index]
        pictures = {"rgb": np.full((*shape, 3), 200, np.uint8), "depth": np.full(shape, 3, np.float32)}
        return Frame(pictures, np.full(shape, index, np.uint8))


def numbers(sampler: StepSampler) -> list[tuple[int, int]]:
    """Return frame and number of everything that a sampler draws."""
    return [tuple(draw) for batch in sampler for draw in batch]


def batches(config: SegmentationConfig, step: int = 0, **place: int) -> list[Batch]:
    """Return training batches from a step on."""
    return list(train_loader(config, frames(config.data, "train"), lambda: step, **place))


def same(one: list[Batch], other: list[Batch]) -> bool:
    """Say whether two lists of batches hold the same values."""
    return len(one) == len(other) and all(
        torch.equal(a.labels, b.labels) and all(map(torch.equal, a.inputs, b.inputs))
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture
def config(tiny: SegmentationConfig) -> SegmentationConfig:
    """Return six steps of four rooms each, augmented."""
    data = DataConfig(height=32, width=40, train_scenes=7, scale_min=0.5, scale_max=2.0, batch=4)
    return dataclasses.replace(tiny, data=data, steps=6, val_every=6, seed=5)


@pytest.mark.parametrize(("size", "batch"), [(12, 4), (7, 4), (5, 8), (1, 3)])
def test_every_frame_is_drawn_once_per_pass_in_an_order_of_its_own(size: int, batch: int) -> None:
    drawn = numbers(StepSampler(size, batch, seed=2, steps=3 * size, step=lambda: 0))
    assert [number for _, number in drawn] == list(range(3 * size * batch))
    passes = [[frame for frame, _ in drawn[i : i + size]] for i in range(0, len(drawn), size)]
    assert all(sorted(order) == list(range(size)) for order in passes)
    assert size == 1 or len({tuple(order) for order in passes}) > 1


def test_a_resumed_run_draws_what_an_uninterrupted_one_would_have_drawn() -> None:
    whole = list(StepSampler(7, 4, seed=2, steps=10, step=lambda: 0))
    for step in (1, 6, 9):
        assert list(StepSampler(7, 4, seed=2, steps=10, step=lambda step=step: step)) == whole[step:]
        assert len(StepSampler(7, 4, seed=2, steps=10, step=lambda step=step: step)) == 10 - step


@pytest.mark.parametrize(("size", "batch"), [(7, 4), (5, 12), (100, 8)])
def test_the_order_of_a_pass_is_made_once_and_is_what_seed_and_pass_say(
    size: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, made = np.random.default_rng, []

    def counted(seed: tuple[int, int]) -> np.random.Generator:
        made.append(seed)
        return make(seed)

    monkeypatch.setattr(np.random, "default_rng", counted)
    sampler = StepSampler(size, batch, seed=2, steps=30, step=lambda: 0)
    drawn = numbers(sampler)
    passes = -(-30 * batch // size)
    assert made == [(2, number) for number in range(passes)]
    orders = [make((2, number)).permutation(size) for number in range(passes)]
    assert drawn == [(orders[number // size][number % size], number) for number in range(30 * batch)]
    assert numbers(sampler) == drawn  # from the beginning again


@pytest.mark.parametrize("ranks", [1, 2, 3, 6])
def test_processes_share_every_batch_without_overlap_or_gap(ranks: int) -> None:
    whole = list(StepSampler(7, 6, seed=2, steps=5, step=lambda: 0))
    shares = [list(StepSampler(7, 6, seed=2, steps=5, step=lambda: 0, rank=r, ranks=ranks)) for r in range(ranks)]
    for step, batch in enumerate(whole):
        assert [draw for share in shares for draw in share[step]] == batch
        assert {len(share[step]) for share in shares} == {6 // ranks}


@pytest.mark.parametrize(("batch", "ranks", "cure"), [(6, 4, "4 or 8"), (2, 4, "use 4"), (9, 2, "8 or 10")])
def test_a_batch_that_processes_cannot_share_evenly_is_refused(batch: int, ranks: int, cure: str) -> None:
    with pytest.raises(ConfigError, match=f"data.batch is {batch}, which {ranks} processes cannot share.*{cure}"):
        StepSampler(7, batch, seed=2, steps=5, step=lambda: 0, ranks=ranks)


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(ConfigError, match="there are 0 samples to train on; allowed is 1 or more"):
        StepSampler(0, 4, seed=2, steps=5, step=lambda: 0)


def test_batches_are_a_function_of_seed_and_step_whatever_loads_them(config: SegmentationConfig) -> None:
    whole = batches(config)
    assert same(whole, batches(config)) and same(whole[4:], batches(config, step=4))
    assert not same(whole, batches(dataclasses.replace(config, seed=6)))
    workers = dataclasses.replace(config, runtime=RuntimeConfig(workers=2))
    assert same(whole, batches(workers))
    first, second = batches(config, rank=0, ranks=2), batches(config, rank=1, ranks=2)
    assert torch.equal(torch.cat([first[3].labels, second[3].labels]), whole[3].labels)


def test_rooms_are_mirrored_and_otherwise_left_alone_unless_more_is_asked_for(tiny: SegmentationConfig) -> None:
    config = dataclasses.replace(tiny, data=dataclasses.replace(tiny.data, train_scenes=4, batch=4))
    source = frames(config.data, "train")
    left = [source[i].labels for i in range(4)]
    right = [flip(source[i]).labels for i in range(4)]
    shown = [labels.numpy() for batch in batches(config) for labels in batch.labels]
    assert all(any(np.array_equal(x, y) for y in (*left, *right)) for x in shown)
    assert {any(np.array_equal(x, y) for y in left) for x in shown} == {True, False}


def test_scoring_shows_every_frame_once_in_order_shared_among_processes(config: SegmentationConfig) -> None:
    source = frames(config.data, "train")
    one = torch.cat([batch.labels for batch in eval_loader(config, source)])
    np.testing.assert_array_equal(one.numpy(), np.stack([source[i].labels for i in range(7)]))
    shares = [torch.cat([b.labels for b in eval_loader(config, source, rank=r, ranks=3)]) for r in range(3)]
    assert [len(share) for share in shares] == [3, 2, 2]
    assert all(torch.equal(shares[i % 3][i // 3], one[i]) for i in range(7))


def test_frames_of_different_sizes_share_a_batch_padded_with_unknown(config: SegmentationConfig) -> None:
    (batch,) = eval_loader(config, Mixed())
    assert batch.inputs[0].shape == (2, 3, 6, 8) and batch.inputs[1].shape == (2, 1, 6, 8)
    assert (batch.labels[0, :6, :4] == 0).all() and (batch.labels[0, :, 4:] == IGNORE).all()
    assert (batch.labels[1, :5] == 1).all() and (batch.labels[1, 5:] == IGNORE).all()
    missing = (0.0 - config.network.depth_mean) / config.network.depth_std
    assert torch.unique(batch.inputs[1][1, 0, 5:]).tolist() == pytest.approx([missing])
    assert batch.inputs[0][0, :, :, 4:].abs().max() < 0.01
    alone = dataclasses.replace(config, data=dataclasses.replace(config.data, eval_batch=1))
    assert [tuple(b.labels.shape) for b in eval_loader(alone, Mixed())] == [(1, 6, 4), (1, 5, 8)]


@pytest.mark.parametrize("name", PROCEDURAL)
def test_procedural_frames_are_seen_by_the_depth_camera_of_the_setting(name: str) -> None:
    config = DataConfig(name=name, height=48, width=64, train_scenes=2)
    sources = [
        frames(dataclasses.replace(config, depth_sensor=sensor), "train") for sensor in ("own", "none", "kinect-v2")
    ]
    own, ideal, kinect = (source[1] for source in sources)
    assert (kinect.pictures["depth"] == 0).sum() > (ideal.pictures["depth"] == 0).sum()
    for other in (ideal, kinect):
        np.testing.assert_array_equal(own.pictures["rgb"], other.pictures["rgb"])
        np.testing.assert_array_equal(own.labels, other.labels)


def test_depth_is_normalised_as_the_network_says(config: SegmentationConfig) -> None:
    metres = frames(config.data, "test")[0].pictures["depth"]
    for mean, std in ((0.0, 1.0), (2.0, 4.0)):
        network = dataclasses.replace(config.network, depth_mean=mean, depth_std=std)
        batch = next(iter(eval_loader(dataclasses.replace(config, network=network), frames(config.data, "test"))))
        np.testing.assert_allclose(batch.inputs[1][0, 0].numpy(), (metres - mean) / std, rtol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ten_steps_on_a_data_set_in_its_own_layout_lower_the_loss(
    tiny: SegmentationConfig, tmp_path: Path, layout: str
) -> None:
    LAYOUTS[layout].write(RoomsFrames(4, 10, 48, 64), tmp_path / "data", split_evenly(10))
    data = DataConfig(layout, path=str(tmp_path / "data"), height=48, width=48, scale_min=0.75, scale_max=1.5, batch=4)
    source = frames(data, "train")
    network = dataclasses.replace(tiny.network, classes=len(source.classes), dropout=0.0)
    optimiser = OptimiserConfig(encoder_lr=0.05, decoder_lr=0.02, momentum=0.9, clip=5.0)
    config = dataclasses.replace(tiny, data=data, network=network, optimiser=optimiser, steps=10, val_every=10)
    fit(config, tmp_path / "run", progress=False)

    def loss(network: torch.nn.Module) -> float:
        with torch.no_grad():
            losses = [task_loss(network.train()(*b.inputs), b.labels, 0.0) for b in eval_loader(config, source)]
        return float(torch.stack(losses).mean())

    torch.manual_seed(config.seed)
    before, after = loss(build_network(network)), loss(read_run(tmp_path / "run").network)
    assert after < before - 0.15
