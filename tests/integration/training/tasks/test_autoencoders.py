"""GMF-MAE and GMF-AE as networks of clips: two losses while training, one answer afterwards, and exact resumes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.models.count import parameters
from crosswire.training.tasks.audio_video.config import AUTOENCODERS
from crosswire.training.tasks.audio_video.data import ClipBatch, ClipDataset
from crosswire.training.tasks.audio_video.module import AudioVideoTask
from crosswire.training.tasks.audio_video.network import build_network, input_shape, shapes
from crosswire.training.tasks.presets import preset
from tests.integration.training.tasks.test_audio_video_training import SMALL, SMALL_VIT, inputs, network, small
from tests.support.training.kinds import standing_for_all

#: What makes the published network small.
TINY = (
    "clip.height=32",
    "clip.width=32",
    *(f"{modality}.{one}" for modality in ("video", "audio") for one in ("width=24", "vit.depth=1")),
)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_an_autoencoder_learns_in_every_parameter_and_classifies_alone_afterwards(name: str) -> None:
    net = network(f"events-{name}").train()
    logits, loss = net(*inputs())
    assert logits.shape == (3, 8) and loss is not None
    (logits.square().sum() + loss).backward()
    assert [key for key, parameter in net.named_parameters() if parameter.grad is None] == []
    net.eval()
    first, second = net(*inputs()), net(*inputs())
    assert first.loss is None
    assert torch.equal(first.logits, second.logits)


def test_the_reconstruction_alone_moves_encoders_and_decoders_and_leaves_the_classifier() -> None:
    net = network("events-gmf-mae").train()
    net(*inputs()).loss.backward()
    still = {key for key, parameter in net.named_parameters() if parameter.grad is None}
    assert still == {"head.weight", "head.bias"}


def test_absence_is_zeros_and_changes_the_answer() -> None:
    net = network("events-gmf-mae").eval()
    frames, sound = inputs()
    full = net(frames, sound).logits
    for given in ((torch.zeros_like(frames), sound), (frames, torch.zeros_like(sound))):
        alone = net(*given).logits
        assert alone.isfinite().all() and not torch.allclose(alone, full)


def test_the_weight_of_the_reconstruction_is_a_setting() -> None:
    losses = {}
    for weight in (0.0, 1.0, 3.0):
        task = AudioVideoTask(small("events-gmf-mae", f"optimiser.fusion_loss={weight}"))
        task.network.load_state_dict(network("events-gmf-mae").state_dict())
        torch.manual_seed(2)
        losses[weight], parts = task.batch_loss(ClipBatch(inputs(), torch.tensor([0, 3, 5])))
    torch.testing.assert_close(losses[0.0], parts["task"])
    torch.testing.assert_close(losses[3.0] - losses[0.0], 3 * (losses[1.0] - losses[0.0]))
    torch.testing.assert_close(losses[1.0] - losses[0.0], parts["fusion"])


@pytest.mark.parametrize("name", standing_for_all(AUTOENCODERS, ("gmf-mae",)))
def test_classifier_and_decoders_learn_a_batch_together(name: str) -> None:
    torch.manual_seed(4)
    task = AudioVideoTask(small(f"events-{name}"))
    batch = ClipBatch(inputs(8), torch.arange(8))
    optimiser = torch.optim.Adam(task.network.parameters(), 0.01)
    seen = []
    for _ in range(40):
        loss, parts = task.batch_loss(batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append({part: float(value.detach()) for part, value in parts.items()})
    assert seen[-1]["task"] < 0.5 * seen[0]["task"]
    assert seen[-1]["fusion"] < 0.9 * seen[0]["fusion"]


def test_half_precision_gives_nearly_the_same_losses() -> None:
    task = AudioVideoTask(small("events-gmf-mae"))
    batch, losses = ClipBatch(inputs(8), torch.arange(8)), []
    for half in (False, True):
        torch.manual_seed(2)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            losses.append(task.batch_loss(batch)[0])
    torch.testing.assert_close(losses[0], losses[1], rtol=0.05, atol=0)


def test_the_published_network_is_vit_b_and_rebuilds_and_classifies_clips_of_its_size() -> None:
    config = preset("fakeavceleb-gmf-mae").network
    assert (config.size("video"), config.size("audio")) == ((8, 224, 224), (1, 513, 60))
    with torch.device("meta"):
        net = build_network(config).train()
        latents = net.latents([torch.empty(2, *input_shape(config, name)) for name in config.modalities])
        made = net.reconstruction.rebuilt(latents)
        logits = net.decide([one.pooled() for one in latents]).logits
    for encoder in net.encoders:
        # torchvision's vit_b_16 has 86,567,656: these, its patches, class token, places and classifier.
        assert parameters(encoder) - parameters(encoder.embed) == 86_567_656 - 590_592 - 768 * 198 - 769_000
    # A quarter of 4x14x14 and a fifth of 27x5 patches are seen.
    assert [tuple(one.tokens.shape) for one in latents] == [(2, 196, 768), (2, 27, 768)]
    assert [tuple(one.shape) for one in made] == [(2, 784, 2 * 16 * 16 * 3), (2, 135, 19 * 12)]
    assert tuple(logits.shape) == (2, 2)


def test_masks_follow_from_seed_and_step_so_that_a_resumed_run_ends_in_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small("events-gmf-mae", "steps=4", "val_every=2")
    fit(config, tmp_path / "straight", progress=False)
    drawn = 0
    original = ClipDataset.__getitem__

    def interrupted(self: ClipDataset, draw: object) -> object:
        nonlocal drawn
        drawn += 1
        if drawn > 2 * 8 + 8 + 8:  # two steps, a validation and the third step
            raise RuntimeError("pulled the plug")
        return original(self, draw)  # type: ignore[arg-type]

    monkeypatch.setattr(ClipDataset, "__getitem__", interrupted)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        fit(config, tmp_path / "resumed", progress=False)
    monkeypatch.undo()
    torch.rand(7)  # whatever was drawn in between
    fit(config, tmp_path / "resumed", resume=True, progress=False)
    straight, resumed = (read_run(tmp_path / name).network.state_dict() for name in ("straight", "resumed"))
    assert all(torch.equal(value, resumed[key]) for key, value in straight.items())


def test_a_run_is_trained_scored_and_read_back_by_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    settings = (*SMALL, *SMALL_VIT, "network.spectrogram.mels=16", "steps=2", "val_every=2")
    words = [word for setting in settings for word in ("--set", setting)]
    assert main(["train", "events-gmf-ae", "--to", str(folder), "--quiet", *words]) == 0
    printed = capsys.readouterr().out
    assert "\nAV " in printed and "crosswire export" in printed
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["scores"]) == ["A", "V", "AV"]
    assert main(["evaluate", str(folder), "--quiet"]) == 0
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert main(["report", str(folder)]) == 2
    assert "has no page" in capsys.readouterr().err


def test_an_autoencoder_is_counted_with_its_decoders_at_its_own_size(capsys: pytest.CaptureFixture[str]) -> None:
    counted = {}
    for name in AUTOENCODERS:
        assert main(["count", name, "--classes", "2", "--json"]) == 0
        counted[name] = json.loads(capsys.readouterr().out)["params"]
    # Two mask tokens of 512 features are all that GMF-AE has less.
    assert counted["gmf-mae"] - counted["gmf-ae"] == 2 * 512
    tiny = [word for setting in TINY for word in ("--set", setting)]
    assert main(["count", "gmf-mae", "--size", "32x32", "--json", *tiny]) == 0
    assert json.loads(capsys.readouterr().out)["macs"] > 0
    assert main(["count", "gmf-mae", "--streams", "1"]) == 2
    assert "got --streams 1, try 2" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"frames of 224x224, got 48x64; try --set clip\.height=48"):
        shapes(preset("fakeavceleb-gmf-mae").network, (48, 64))
