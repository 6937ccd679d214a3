"""Audio-video networks: what they answer, how they train, and how a resumed run ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.datasets.clips.events_clips import EventClips
from crosswire.training.datasets.clips.write import WRITERS
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.models.extractors import build_extractor
from crosswire.training.overrides import override
from crosswire.training.tasks.audio_video.config import AUTOENCODERS, FUSION_NAMES, AudioVideoConfig
from crosswire.training.tasks.audio_video.data import ClipDataset, clips, eval_loader
from crosswire.training.tasks.audio_video.evaluate import missing_modality_cases
from crosswire.training.tasks.audio_video.network import AudioVideoNetwork, begin, build_network
from crosswire.training.tasks.presets import PRESETS
from crosswire.training.tasks.registry import config_from_plain, network_family_of
from tests.support.training.kinds import standing_for_all
from tests.unit.training.models.test_audio_video_parts import with_classifier

CLIPS = {name: config for name, config in PRESETS.items() if isinstance(config, AudioVideoConfig)}
#: A size at which a step takes some hundredths of a second.
SMALL = (
    "network.clip.frames=3",
    "network.clip.height=16",
    "network.clip.width=16",
    "network.clip.fps=4.0",
    "network.clip.samples=2000",
    "network.clip.sample_rate=8000",
    "network.video.width=2",
    "network.audio.width=2",
    "network.spectrogram.n_fft=128",
    "network.spectrogram.hop=64",
    "data.train_clips=16",
    "data.val_clips=8",
    "data.test_clips=16",
    "data.batch=8",
)
#: The same of an auto-encoder: 4 patches of the frames, 8 of the spectrogram.
SMALL_VIT = (
    "network.spectrogram.drop_last=false",
    "network.video.vit.patch=3,8,8",
    "network.audio.vit.patch=1,8,8",
    *(
        f"network.{modality}.{setting}"
        for modality in ("video", "audio")
        for setting in ("width=16", "vit.depth=1", "vit.heads=2", "vit.decoder_width=8", "vit.decoder_heads=2")
    ),
)


def small(name: str, *more: str) -> AudioVideoConfig:
    """Return a preset at a tiny size."""
    config = CLIPS[name]
    settings = [*SMALL, *(["network.spectrogram.mels=16"] if config.network.spectrogram.mels else [])]
    if config.network.fusion.name not in ("concat", "gmf", "g-concat"):
        settings += ["network.fusion.depth=1", "network.fusion.latents=4"]
    if config.network.name in AUTOENCODERS:
        settings += SMALL_VIT
    return override(config, [*settings, *more])


def network(name: str = "events-gmf", *more: str) -> AudioVideoNetwork:
    """Build a tiny network with fixed weights."""
    torch.manual_seed(0)
    return build_network(small(name, *more).network)


def inputs(batch: int = 3) -> list[Tensor]:
    """Return fixed noise: frames and sound."""
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (batch, 3, 16, 16, 3), generator=generator, dtype=torch.uint8)
    return [frames, torch.rand(batch, 2000, generator=generator) * 2 - 1]


# The network --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fusion", FUSION_NAMES)
def test_a_network_with_any_fusion_answers_clips_and_learns_in_every_parameter(fusion: str) -> None:
    net = network(f"events-{fusion}").train()
    logits, loss = net(*inputs())
    assert logits.shape == (3, 8)
    (logits.square().sum() + (0 if loss is None else loss)).backward()
    assert [key for key, parameter in net.named_parameters() if parameter.grad is None] == []


def test_absence_is_zeros_and_changes_the_answer() -> None:
    net = network().eval()
    frames, sound = inputs()
    full = net(frames, sound).logits
    for given in ((torch.zeros_like(frames), sound), (frames, torch.zeros_like(sound))):
        alone = net(*given).logits
        assert alone.isfinite().all() and not torch.allclose(alone, full)


def test_a_frozen_extractor_stays_as_it_is(tmp_path: Path) -> None:
    config = small("events-gmf", "network.video.frozen=true", "steps=4", "val_every=4")
    torch.manual_seed(config.seed)
    before = build_network(config.network).branches["video"].state_dict()
    fit(config, tmp_path, progress=False)
    run = read_run(tmp_path)
    after = run.network.branches["video"].state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    torch.manual_seed(config.seed)
    audio = build_network(config.network).branches["audio"].state_dict()
    assert any(not torch.equal(value, audio[key]) for key, value in run.network.branches["audio"].state_dict().items())


def test_extractors_begin_from_the_weight_files_that_are_named(tmp_path: Path) -> None:
    torch.manual_seed(5)
    torch.save(with_classifier(build_extractor("resnet18"), 10).state_dict(), tmp_path / "resnet18.pth")
    config = small("events-gmf", "network.audio.width=64", f"network.audio.weights={tmp_path / 'resnet18.pth'}").network
    net = build_network(config)
    begin(net, config)
    file = torch.load(tmp_path / "resnet18.pth", weights_only=True)
    branch = net.branches["audio"].extractor.state_dict()  # type: ignore[union-attr]
    assert torch.equal(branch["layer4.1.conv2.weight"], file["layer4.1.conv2.weight"])
    assert torch.equal(branch["conv1.weight"], file["conv1.weight"].sum(1, keepdim=True))


# Training -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write a few procedural clips in the layout of every data set: 16 and 8 of them are for training."""
    shape = small("events-gmf").network.clip
    folders = {}
    for name in {config.data.name for config in CLIPS.values()} - {"events"}:
        folders[name] = tmp_path_factory.mktemp(name)
        WRITERS[name](EventClips(4, {"vggsound": 18, "fakeavceleb": 12}[name], shape), folders[name], shape)
    return folders


#: Every fusion on the procedural clips; on those in files what reads both streams or one, and what learns worst.
FROM_FILES = ("vggsound-gmf", "vggsound-g-concat", "fakeavceleb-gmf", "fakeavceleb-audio", "fakeavceleb-video")
TRAINED = [name for name in CLIPS if name.startswith("events")] + [*FROM_FILES]
#: One modality alone, the simplest fusion and the one that learns worst, GMF alone and around another, clips in files.
FEW = (
    "events-audio",
    *(f"events-{fusion}" for fusion in ("concat", "drfuse", "gmf", "g-mbt")),
    "fakeavceleb-gmf",
)


@pytest.mark.parametrize("name", standing_for_all(TRAINED, FEW))
def test_a_preset_learns_one_batch_by_heart(name: str, layouts: dict[str, Path], tmp_path: Path) -> None:
    """Far enough that no rounding decides: at twice the rate one seed in eight ended high with two threads."""
    data = CLIPS[name].data.name
    more = [f"data.path={layouts[data]}"] if data in layouts else []
    classes = {"events": 8, "vggsound": 8, "fakeavceleb": 2}[data]
    # The papers' rates are those of networks 32 times as wide.
    # A plateau would lower the rate as soon as rounding lets the loss rise once.
    calm = (
        "optimiser.schedule=constant",
        "optimiser.name=adam",
        "optimiser.lr=0.002",
        "modality_dropout=0.0",
        "data.train_clips=8",
        "data.val_clips=8",
    )
    config = small(name, *more, *calm, f"network.classes={classes}", "steps=60", "val_every=60")
    config = override(config, [f"data.batch={len(clips(config, 'train'))}"])
    torch.manual_seed(config.seed)
    before = _loss(config, build_network(config.network))
    fit(config, tmp_path, progress=False)
    assert _loss(config, read_run(tmp_path).network) < 0.6 * before


def _loss(config: AudioVideoConfig, net: AudioVideoNetwork) -> float:
    """Return the loss on the batch that is trained on."""
    whole = override(config, [f"data.eval_batch={config.data.batch}"])
    batch = next(iter(eval_loader(whole, clips(config, "train"))))
    with torch.no_grad():
        return float(torch.nn.functional.cross_entropy(net.train()(*batch.inputs).logits, batch.labels))


def test_an_interrupted_run_ends_in_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plateau = ("optimiser.schedule=plateau", "optimiser.patience=0", "modality_dropout=0.4")
    config = small("events-gmf", *plateau, "steps=18", "val_every=6")
    fit(config, tmp_path / "straight", progress=False)
    drawn = 0
    original = ClipDataset.__getitem__

    def interrupted(self: ClipDataset, draw: object) -> object:
        nonlocal drawn
        drawn += 1
        if drawn > 9 * 8:  # in the middle of the second of three parts, validations included
            raise RuntimeError("pulled the plug")
        return original(self, draw)  # type: ignore[arg-type]

    monkeypatch.setattr(ClipDataset, "__getitem__", interrupted)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        fit(config, tmp_path / "resumed", progress=False)
    monkeypatch.undo()
    fit(config, tmp_path / "resumed", resume=True, progress=False)
    ends = [torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("straight", "resumed")]
    assert ends[0]["global_step"] == ends[1]["global_step"] == 18
    assert ends[0]["plateau"] == ends[1]["plateau"]
    assert ends[0]["optimizer_states"][0]["param_groups"][0]["lr"] < config.optimiser.lr  # the plateau did something
    for key, value in ends[0]["state_dict"].items():
        assert torch.equal(value, ends[1]["state_dict"][key]), key


def test_a_run_is_trained_scored_and_read_back_by_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    settings = [
        word
        for setting in (*SMALL, "network.spectrogram.mels=16", "steps=4", "val_every=2")
        for word in ("--set", setting)
    ]
    assert main(["train", "events-gmf", "--to", str(folder), "--quiet", *settings]) == 0
    printed = capsys.readouterr().out
    assert "accuracy" in printed and "\nAV " in printed and "crosswire export" in printed
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["scores"]) == ["A", "V", "AV"]
    assert main(["evaluate", str(folder), "--quiet"]) == 0
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert main(["evaluate", str(folder), "--quiet", "--flip"]) == 2
    frames, sound = inputs(2)
    np.savez(tmp_path / "in.npz", video=frames.float().numpy())
    assert main(["infer", str(folder), "--tensors", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz")]) == 0
    with torch.inference_mode():
        alone = read_run(folder).network(frames, torch.zeros_like(sound)).logits
    np.testing.assert_allclose(np.load(tmp_path / "out.npz")["logits"], alone.numpy(), atol=1e-5)


# Configurations -----------------------------------------------------------------------------------------------------


def test_presets_have_the_hyper_parameters_of_the_paper() -> None:
    gmf = CLIPS["vggsound-gmf"]
    assert gmf.network.classes == 309 and (gmf.network.video.name, gmf.network.audio.name) == ("r2plus1d18", "resnet18")
    assert gmf.network.clip.samples == 9 * gmf.network.clip.sample_rate == 9 * 16000
    assert gmf.network.clip.frames == 9 * gmf.network.clip.fps
    sgd = gmf.optimiser
    assert (sgd.name, sgd.lr, sgd.momentum, sgd.weight_decay, gmf.data.batch) == ("sgd", 0.01, 0.9, 1e-4, 64)
    assert (sgd.schedule, sgd.factor, sgd.patience, gmf.seed, gmf.steps // gmf.val_every) == (
        "plateau",
        0.1,
        1000,
        1,
        20,
    )
    fake = CLIPS["fakeavceleb-concat"]
    adam = fake.optimiser
    assert (adam.name, adam.lr, adam.momentum, adam.beta2, fake.data.batch) == ("adam", 0.005, 0.5, 0.9, 16)
    assert (adam.factor, adam.patience, adam.min_lr, fake.steps // fake.val_every) == (0.5, 50, 1e-8, 5)
    assert CLIPS["fakeavceleb-gmf"].optimiser == sgd
    spectrogram = fake.network.spectrogram
    assert (spectrogram.bands, spectrogram.windows(fake.network.clip.samples)) == (513, 60)


def test_presets_are_named_after_their_data_and_their_fusion() -> None:
    for name, config in CLIPS.items():
        data, rest = name.split("-", 1)
        assert (config.preset, config.data.name) == (name, data)
        assert config.network.fusion.name == (rest if rest in FUSION_NAMES else "concat")
        assert config.network.modalities == ((rest,) if rest in ("audio", "video") else ("video", "audio"))
        assert config_from_plain(json.loads(json.dumps(_plain(config)))) == config


def _plain(config: AudioVideoConfig) -> dict[str, object]:
    """Return a configuration as JSON types."""
    from crosswire.contract.plain import to_plain

    return to_plain(config)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("network.modalities=audio", "network.fusion.name=concat"),
        ("network.modalities=audio,video", "allowed are video,audio or one"),
        ("network.video.name=vgg", "allowed are r2plus1d18, resnet18"),
        ("network.spectrogram.segments=7", "equal parts"),
        ("network.clip.samples=0", "1 or more"),
        ("optimiser.name=lion", "allowed are sgd, adam"),
        ("optimiser.schedule=halve", "allowed are constant, cosine, plateau"),
        ("modality_dropout=2.0", "probability"),
        ("steps=601", "use steps=700"),
        ("data.batch=0", "1 or more"),
    ],
)
def test_impossible_settings_are_refused_with_what_is_allowed(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(CLIPS["events-gmf"], [setting])


def test_classes_that_the_data_have_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"network.classes=8"):
        fit(small("events-gmf", "network.classes=5"), tmp_path, progress=False)


def test_availabilities_are_named_as_in_the_papers_tables() -> None:
    assert missing_modality_cases(("video", "audio")) == {"A": ("audio",), "V": ("video",), "AV": ("video", "audio")}
    assert missing_modality_cases(("audio",)) == {"A": ("audio",)}


def test_a_configuration_says_its_kind() -> None:
    assert "audio-video" in network_family_of(CLIPS["events-gmf"]).NETWORKS
