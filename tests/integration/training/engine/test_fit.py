"""Training: the loss falls, what a run writes is right, and wrong settings are refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from crosswire.contract.plain import from_plain, to_plain
from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.write import split_evenly, write_folder
from crosswire.training.engine.checkpoints import LAST
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import Run, RunError, read_config, read_metrics, read_run, write_config
from crosswire.training.engine.schedule import forgets_momentum, rate
from crosswire.training.importers.imagenet import load_imagenet
from crosswire.training.models import exchanged_share
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import NetworkConfig, OptimiserConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.data import Batch, eval_loader, frames
from crosswire.training.tasks.segmentation.evaluate import evaluate, format_scores, score
from crosswire.training.tasks.segmentation.module import SegmentationTask, parameter_groups
from crosswire.training.tasks.segmentation.network import build_network
from tests.support.paths import RUNS
from tests.support.training.weight_files import saved, torchvision_state

Curve = list[float]


def curves(folder: Path) -> dict[str, Curve]:
    """Read every scalar that a run logged for TensorBoard."""
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.fixture(scope="module")
def learning(tiny: SegmentationConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Curve]]:
    """Return a run that is long enough to learn, under an L1 term and a γ rate that exchange channels, and its curves.

    Its rates are so high at the beginning that validations get better and worse again.
    """
    folder = tmp_path_factory.mktemp("learning") / "run"
    optimiser = dataclasses.replace(tiny.optimiser, gamma_lr=0.2, sparsity=2e-2)
    fit(dataclasses.replace(tiny, optimiser=optimiser, steps=40, val_every=5), folder, progress=False)
    return read_run(folder), curves(folder)


def test_a_run_on_a_folder_holds_its_unit_of_depth_and_goes_on(tiny: SegmentationConfig, tmp_path: Path) -> None:
    write_folder(RoomsFrames(1, 3, 48, 64), tmp_path / "data", split_evenly(3))
    data = dataclasses.replace(tiny.data, name="folder", path=str(tmp_path / "data"), height=48, width=64, batch=1)
    config = dataclasses.replace(tiny, data=data, steps=1, val_every=1)
    fit(config, tmp_path / "run", progress=False)
    found = read_config(tmp_path / "run")
    assert isinstance(found, SegmentationConfig) and found.network.geometry_scale == 1000
    assert fit(config, tmp_path / "run", resume=True, progress=False), "the unit is no other configuration"
    (tmp_path / "data").rename(tmp_path / "moved")
    moved = override(found, [f"data.path={tmp_path / 'moved'}"])
    assert fit(moved, tmp_path / "run", resume=True, progress=False), "nor is another place"


def test_the_loss_falls(learning: tuple[Run, dict[str, Curve]]) -> None:
    losses = learning[1]["train/task_loss"]
    assert sum(losses[-3:]) / 3 < 0.9 * losses[0]


def test_the_exchanged_share_grows_under_the_l1_term(learning: tuple[Run, dict[str, Curve]]) -> None:
    run, logged = learning
    assert logged["exchanged"][0] < 0.1 < 0.2 < logged["exchanged"][-1]
    last = torch.load(run.folder / LAST, weights_only=True)["state_dict"]
    run.network.load_state_dict(
        {key.removeprefix("network."): value for key, value in last.items() if "network" in key}
    )
    assert exchanged_share(run.network) == pytest.approx(logged["exchanged"][-1])


def test_the_weights_that_are_kept_are_those_of_the_best_validation(learning: tuple[Run, dict[str, Curve]]) -> None:
    run, logged = learning
    run = read_run(run.folder)
    kept = torch.load(run.folder / LAST, weights_only=True)["callbacks"]["RunCheckpoints"]
    validations = logged["val_mean_iou"]
    best = max(range(len(validations)), key=validations.__getitem__)
    assert len(validations) == 8 and len(set(validations)) > 1
    assert kept["best"] == pytest.approx(validations[best])
    assert kept["best_step"] == 5 * (best + 1)
    task = SegmentationTask(run.config).eval()  # computes as in training, to the bit: one pixel is worth 1e-5 already
    task.network.load_state_dict(run.network.state_dict())
    with torch.inference_mode():
        for batch in eval_loader(run.config, frames(run.config.data, "val")):
            task.metrics.update(task.network(*batch.inputs), batch.labels)
    assert task.metrics.compute()["ensemble"].mean_iou == pytest.approx(validations[best])


def test_tensorboard_has_the_scores_of_the_ensemble_and_of_every_stream(
    learning: tuple[Run, dict[str, Curve]],
) -> None:
    scores = {f"val/{name}/{score}" for name in ("ensemble", "rgb", "depth") for score in ("mean_iou", "mean_accuracy")}
    assert scores | {"train/loss", "train/task_loss", "exchanged"} <= set(learning[1])


def test_metrics_json_holds_what_was_scored(tiny_run: Run) -> None:
    scores = evaluate(tiny_run, progress=False)
    written = score(tiny_run, progress=False)
    assert read_metrics(tiny_run.folder) == json.loads(json.dumps(written)) == written
    assert written["scenes"] == 8
    assert list(written["scores"]) == ["ensemble", "rgb", "depth"]
    assert written["scores"]["depth"]["mean_iou"] == scores["depth"].mean_iou
    assert list(written["scores"]["ensemble"]["iou"]) == list(frames(tiny_run.config.data, "test").classes)
    assert written["exchanged_share"] == exchanged_share(tiny_run.network)
    assert "availability" not in written
    for layer in written["exchange"]:
        assert sum(layer["penalised"]) == layer["channels"]
        assert all(0 <= e <= p for e, p in zip(layer["exchanged"], layer["penalised"], strict=True))
    assert "depth" in format_scores(written) and "encoder.layer1.0.bn2" in format_scores(written)


@pytest.mark.parametrize("streams", [("rgb",), ("rgb", "depth")])
@pytest.mark.parametrize("fusion", ["exchange", "none"])
def test_parameter_groups_are_disjoint_and_complete(streams: tuple[str, ...], fusion: str) -> None:
    config = SegmentationConfig(
        network=NetworkConfig(name="refinenet14", streams=streams, width=4, features=8, fusion=fusion)
    )
    network = build_network(config.network)
    groups = parameter_groups(network, config)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(parameter) for parameter in network.parameters()}
    names = ["encoder", "decoder", "gamma"] if fusion == "exchange" and len(streams) > 1 else ["encoder", "decoder"]
    assert [group["name"] for group in groups] == names
    assert id(network.ensemble.scores) in map(id, groups[1]["params"])


def test_the_paper_halves_the_rates_after_each_third() -> None:
    config = preset("nyuv2-refinenet101")
    assert config.steps == 300 * (795 // 6)
    rates = [rate("halve", "encoder", epoch * 132, config.steps) for epoch in (0, 99, 100, 199, 200, 299)]
    assert rates == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_the_official_rates_are_not_exact_halves_and_begin_with_fresh_optimisers() -> None:
    steps = [0, 100, 200]
    assert [5e-4 * rate("official", "encoder", step, 300) for step in steps] == pytest.approx([5e-4, 2.5e-4, 1e-4])
    assert [3e-3 * rate("official", "decoder", step, 300) for step in steps] == pytest.approx([3e-3, 1.5e-3, 7e-4])
    assert [step for step in range(300) if forgets_momentum("official", step, 300)] == [100, 200]
    assert not any(forgets_momentum("halve", step, 300) for step in range(300))


def test_the_cosine_rises_to_the_peak_and_falls_to_nothing() -> None:
    rates = [rate("cosine", "gamma", step, 100, 0.1) for step in range(101)]
    assert rates[:10] == sorted(rates[:10]) and rates[10] == max(rates) == 1
    assert rates[10:] == sorted(rates[10:], reverse=True) and rates[-1] == pytest.approx(0)


@pytest.mark.parametrize(("schedule", "forgotten"), [("official", True), ("halve", False)])
def test_a_stage_of_the_official_code_begins_without_momentum(
    tiny: SegmentationConfig, tmp_path: Path, schedule: str, forgotten: bool
) -> None:
    ends = []
    for momentum in (0.9, 0.0):
        settings = dataclasses.replace(tiny.optimiser, schedule=schedule, momentum=momentum, nesterov=False, warmup=0.0)
        config = dataclasses.replace(tiny, optimiser=settings, steps=3, val_every=1)  # three stages of one step
        fit(config, tmp_path / str(momentum), progress=False)
        ends.append(torch.load(tmp_path / str(momentum) / LAST, weights_only=True)["state_dict"])
    same = all(torch.equal(tensor, ends[1][key]) for key, tensor in ends[0].items())
    assert same == forgotten


def gradients(config: SegmentationConfig, batch: Batch) -> dict[str, torch.Tensor]:
    """Return the gradients of one training step, of parameters that have one."""
    torch.manual_seed(0)
    task = SegmentationTask(config)
    task.batch_loss(batch).backward()
    return {name: p.grad for name, p in task.network.named_parameters() if p.grad is not None}


def test_the_official_ensemble_trains_its_scores_alone(tiny: SegmentationConfig) -> None:
    network = dataclasses.replace(tiny.network, dropout=0.0)
    batch = next(iter(eval_loader(tiny, frames(tiny.data, "val"))))

    def of(stream_loss: float, *, detach: bool) -> dict[str, torch.Tensor]:
        optimiser = dataclasses.replace(tiny.optimiser, stream_loss=stream_loss, detach_ensemble=detach)
        return gradients(dataclasses.replace(tiny, network=network, optimiser=optimiser), batch)

    once, twice, attached = of(1.0, detach=True), of(2.0, detach=True), of(1.0, detach=False)
    for name in once:
        if name == "ensemble.scores":
            torch.testing.assert_close(twice[name], once[name])
            assert once[name].abs().max() > 0
        else:  # the streams' own losses are all that reaches the rest of the network
            torch.testing.assert_close(twice[name], 2 * once[name])
    head = "decoder.head.weight"
    assert not torch.allclose(attached[head], once[head])


def test_frozen_statistics_stay_where_they_are_while_the_scaling_factors_train(
    tiny: SegmentationConfig, tmp_path: Path
) -> None:
    file = saved(torchvision_state(), tmp_path)
    config = override(
        tiny, [f"network.imagenet={file}", "network.frozen_statistics=true", "steps=3", "modality_dropout=0.5"]
    )
    fit(config, tmp_path / "run", progress=False)
    trained, fresh = read_run(tmp_path / "run").network, build_network(config.network)
    load_imagenet(fresh, file)
    before = fresh.state_dict()
    for key, value in trained.state_dict().items():
        if "encoder." in key and "running_" in key:
            assert torch.equal(value, before[key]), key
    assert not torch.equal(trained.encoder.bn1.norms[1].weight, before["encoder.bn1.norms.1.weight"])


CONFIG_ERRORS = {
    "steps": "not an assignment; write key=value",
    "step=3": "names no setting; there are: preset, network.",
    "network=3": "names no setting",
    "network.width.x=3": "names no setting",
    "steps=many": "steps",
    "steps=1.5": "steps is 1.5; allowed is a whole number, 0 or more",
    "steps=true": "steps is True; allowed is a whole number, 0 or more",
    "network.streams=3": "several are meant: network.streams=rgb,depth",
    "steps=-5": "steps is -5; allowed is",
    "val_every=7": "which val_every = 7 does not divide; use steps=",
    "data.batch=0": "data.batch is 0; allowed is 1 or more",
    "network.threshold=-1": "network.threshold is -1.0; allowed is 0 or more",
    "seed=-1": "allowed is 0 or more",
    "modality_dropout=2": "modality_dropout is 2.0; allowed is a probability",
    "optimiser.schedule=linear": "allowed are cosine, halve, official",
    "optimiser.warmup=1": "allowed is a share, 0 or more, less than 1",
    "optimiser.detach_ensemble=true": "set optimiser.stream_loss=1",
    "runtime.precision=fp8": "allowed are fp32, bf16, fp16",
    "runtime.workers=-1": "allowed is 0 or more",
}


@pytest.mark.parametrize("assignment", CONFIG_ERRORS)
def test_a_wrong_setting_is_refused_with_what_is_allowed(assignment: str) -> None:
    with pytest.raises(ConfigError) as error:
        override(dataclasses.replace(preset("rooms-quick"), optimiser=OptimiserConfig()), [assignment])
    assert CONFIG_ERRORS[assignment] in str(error.value)


def test_settings_keep_the_type_of_what_they_replace() -> None:
    changed = override(
        preset("rooms-quick"),
        ["optimiser.clip=1", "network.streams=depth,rgb", "network.units=(2, 2)", "runtime.compile=true", "steps=100"],
    )
    assert changed.optimiser.clip == 1.0 and isinstance(changed.optimiser.clip, float)
    assert changed.network.streams == ("depth", "rgb") and changed.network.units == (2, 2)
    assert changed.runtime.compile is True and changed.steps == 100
    assert override(changed, []) == changed == from_plain(SegmentationConfig, to_plain(changed))
    assert preset("rooms-quick") != changed


def test_modality_dropout_needs_two_streams() -> None:
    with pytest.raises(ConfigError, match="needs two streams"):
        SegmentationConfig(network=NetworkConfig(streams=("rgb",)), modality_dropout=0.5)


def arguments(words: str, folder: Path) -> list[str]:
    """Split a command line, putting a folder where it says RUN."""
    return [str(folder) if word == "RUN" else word for word in words.split()]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train", "give a preset to train, or --resume RUN"),
        ("train no-such-preset", "there are: rooms-quick"),
        ("train rooms-quick --resume RUN", "give a preset to train, or --resume RUN"),
        ("train --resume RUN", "holds no config.json; train one with"),
        ("train --resume RUN --to RUN", "it does not take --to"),
        ("train rooms-quick --to RUN --set steps=0", "training takes steps=1 or more"),
        ("train rooms-quick --to RUN --set network.classes=3", "set network.classes=12"),
        ("train rooms-quick --to RUN --set network.name=vgg", "refinenet101"),
        ("train rooms-quick --to RUN --set data.name=kitti", "rooms"),
        ("train nyuv2-refinenet101 --to RUN", "data.path"),
        ("evaluate RUN", "holds no config.json"),
        ("presets no-such-preset", "there are: rooms-quick"),
    ],
)
def test_a_wrong_command_ends_in_one_line_and_code_2(
    words: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(words, tmp_path / "run")) == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: ") and output.err.count("\n") == 1
    assert message in output.err
    assert output.out == ""


def test_a_run_is_not_resumed_with_other_settings_but_its_data_may_have_moved(
    tiny_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    resume = ["train", "--resume", str(tiny_run.folder), "--quiet"]
    assert main([*resume, "--set", "optimiser.clip=1"]) == 2
    assert "runtime.*" in capsys.readouterr().err
    assert main([*resume, "--set", "data.path=elsewhere", "--set", "runtime.channels_last=false"]) == 0
    assert read_run(tiny_run.folder).config.data.path == "elsewhere"
    assert main([*resume, "--set", "data.path=", "--set", "runtime.channels_last=true"]) == 0


def test_a_run_without_weights_is_refused(tmp_path: Path, tiny: SegmentationConfig) -> None:
    (tmp_path / "config.json").write_text(json.dumps(to_plain(tiny)), encoding="utf-8")
    with pytest.raises(RunError, match="finish the run with: crosswire train --resume"):
        read_run(tmp_path)


def test_half_precision_without_a_gpu_is_refused(tiny: SegmentationConfig, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match=r"use runtime\.precision=bf16 or fp32"):
        fit(override(tiny, ["runtime.precision=fp16"]), tmp_path, progress=False)


@pytest.mark.parametrize("setting", ["precision=bf16", "channels_last=false", "workers=1"])
def test_another_runtime_comes_to_about_the_same_loss(tiny: SegmentationConfig, tmp_path: Path, setting: str) -> None:
    losses: list[Any] = []
    for runtime in ("precision=fp32", setting):
        config = override(tiny, [f"runtime.{runtime}", "steps=3"])
        fit(config, tmp_path / runtime, progress=False)
        losses.append(curves(tmp_path / runtime)["train/task_loss"])
    if setting == "workers=1":
        assert losses[0] == losses[1]
    else:
        assert losses[0] == pytest.approx(losses[1], rel=2e-2 if "bf16" in setting else 2e-3)
    if setting == "precision=bf16":
        assert losses[0] != losses[1]


@pytest.mark.parametrize("last", [True, False])
def test_pictures_lie_in_memory_as_the_runtime_says(tiny: SegmentationConfig, last: bool) -> None:
    task = SegmentationTask(override(tiny, [f"runtime.channels_last={str(last).lower()}"]))
    weight = task.network.encoder.layer1[0].conv2.weight
    batch = next(iter(eval_loader(tiny, frames(tiny.data, "val"))))
    for tensor in (weight, task.network.stack(*batch.inputs)):
        assert tensor.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # of the compiler, at its import
def test_a_compiled_run_has_the_checkpoints_of_any_other_and_lone_streams_too(
    tiny: SegmentationConfig, tmp_path: Path
) -> None:
    plain = override(tiny, ["steps=3", "modality_dropout=0.5"])
    fit(plain, tmp_path / "plain", progress=False)
    with torch.compiler.set_stance("force_eager"):  # all of compilation but the minutes of the compiler itself
        fit(override(plain, ["runtime.compile=true"]), tmp_path / "compiled", progress=False)
    ends = [torch.load(tmp_path / name / LAST, weights_only=True)["state_dict"] for name in ("plain", "compiled")]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(tensor, ends[1][key]) for key, tensor in ends[0].items())


def test_the_presets_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    listed = capsys.readouterr().out
    names = ("rooms-quick", "nyuv2-refinenet101", "nyuv2-pspnet152", "sunrgbd-refinenet152", "concat-early-common")
    assert all(name in listed for name in names)
    assert main(["presets", "nyuv2-refinenet101-official"]) == 0
    printed = from_plain(SegmentationConfig, json.loads(capsys.readouterr().out))
    assert printed.optimiser == dataclasses.replace(
        OptimiserConfig(), sparsity=6e-4, schedule="official", stream_loss=1.0, detach_ensemble=True
    )
    assert printed.network.frozen_statistics and not printed.network.restrict


def test_a_run_folder_without_a_kind_is_of_segmentation_and_an_unknown_kind_is_refused(
    tiny: SegmentationConfig, tmp_path: Path
) -> None:
    write_config(tmp_path, tiny)
    assert "kind" not in json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert read_config(tmp_path) == tiny
    (tmp_path / "config.json").write_text(json.dumps({"kind": "poetry"}), encoding="utf-8")
    with pytest.raises(RunError, match="kind 'poetry' is unknown; allowed are segmentation"):
        read_config(tmp_path)


@pytest.mark.parametrize("folder", sorted(RUNS.iterdir()), ids=lambda folder: folder.name)
def test_the_configuration_of_a_stored_run_is_read_with_every_value_that_was_written(folder: Path) -> None:
    def kept(written: Any, read: Any) -> bool:
        if isinstance(written, dict):
            return all(name in read and kept(value, read[name]) for name, value in written.items())
        return bool(written == read and type(written) is type(read))

    assert kept(json.loads((folder / "config.json").read_text(encoding="utf-8")), to_plain(read_config(folder)))
