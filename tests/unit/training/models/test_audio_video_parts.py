"""Spectrograms against those of librosa, and extractors against torchvision's key names and sizes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from crosswire.training.config import ConfigError
from crosswire.training.importers.torchvision import load_weights
from crosswire.training.models.extractors import EXTRACTORS, Extractor, build_extractor
from crosswire.training.tasks.audio_video.config import SpectrogramConfig
from crosswire.training.tasks.audio_video.spectrogram import Spectrogram
from tests.reference.spectrograms import MELS, PADDINGS, RATE, kept, short, sound

MEL = SpectrogramConfig()
STFT = SpectrogramConfig(n_fft=1024, hop=256, window="blackman", mels=0, value="magnitude")


def seen(config: SpectrogramConfig, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the graph's spectrograms [N, bands, windows] of a sound in one segment."""
    values: NDArray[np.float32] = Spectrogram(config, RATE)(torch.from_numpy(waveform)).numpy()
    return values[:, 0, 0]


def agree(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> None:
    """Assert that two spectrograms differ by at most 1e-4 of the maximum."""
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("padding", PADDINGS)
def test_the_magnitudes_of_the_convolution_are_librosas(padding: str) -> None:
    config = SpectrogramConfig(n_fft=1024, hop=256, window="blackman", mels=0, value="magnitude", padding=padding)
    agree(seen(config, short()), kept()[padding])


@pytest.mark.parametrize(("scale", "norm", "value"), MELS)
def test_the_mel_bands_of_the_convolution_are_librosas(scale: str, norm: str, value: str) -> None:
    config = SpectrogramConfig(mels=64, mel_scale=scale, mel_norm=norm, value=value)
    agree(seen(config, short()), kept()[f"{scale}-{norm}-{value}"])


def test_the_spectrograms_have_the_sizes_of_the_paper() -> None:
    nine = SpectrogramConfig(segments=9, drop_last=True)
    assert Spectrogram(nine, RATE)(torch.zeros(2, 144_000)).shape == (2, 1, 9, 192, 100)
    assert (nine.bands, nine.windows(144_000)) == (192, 100)
    # Eight frames at 25 a second with 48 kHz: 15360 samples, of whose 61 windows the paper has 60.
    one = SpectrogramConfig(n_fft=1024, hop=256, window="blackman", mels=0, value="log-magnitude", drop_last=True)
    assert Spectrogram(one, 48_000)(torch.zeros(1, 15_360)).shape == (1, 1, 1, 513, 60)


def test_silence_has_a_finite_logarithm() -> None:
    log = SpectrogramConfig(n_fft=1024, hop=256, mels=0, value="log-magnitude")
    np.testing.assert_allclose(seen(log, np.zeros((1, RATE), np.float32)), np.log(1e-8), rtol=1e-5)


def test_segments_are_spectrograms_of_their_own() -> None:
    whole = sound(3.0, 1)
    values = Spectrogram(SpectrogramConfig(segments=3), RATE)(torch.from_numpy(whole))[0, 0]
    for index in range(3):
        agree(values[index].numpy(), seen(MEL, whole[:, index * RATE : (index + 1) * RATE])[0])


def test_a_spectrogram_saves_nothing_and_learns_nothing() -> None:
    module = Spectrogram(MEL, RATE)
    assert not module.state_dict() and not list(module.parameters())


def test_a_spectrogram_in_a_graph_agrees_with_librosa_too(tmp_path: Path) -> None:
    from crosswire.contract import TensorSpec
    from crosswire.export.graph_file import save
    from crosswire.export.onnx_graph import check, exported

    class Served(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.spectrogram = Spectrogram(STFT, RATE)

        def forward(self, *raw: torch.Tensor) -> torch.Tensor:
            values: torch.Tensor = self.spectrogram(raw[0])
            return values

    length, (_, bands, windows) = short().shape[1], kept()["reflect"].shape
    spec = TensorSpec("waveform", "FP32", (length,), ("sample",), "amplitude -1..1")
    model = exported(Served(), [spec], ["spectrogram"], 4)
    check(model, [spec], [TensorSpec("spectrogram", "FP32", (1, 1, bands, windows), tuple("abcd"), "magnitude")])
    save(model, tmp_path / "graph.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    (values,) = session.run(None, {"waveform": short()})
    agree(values[:, 0, 0], kept()["reflect"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": "kaiser"}, "allowed are hann, blackman"),
        ({"padding": "same"}, "allowed are reflect, constant, none"),
        ({"mels": -1}, "0 or more"),
        ({"std": 0.0}, "more than 0"),
    ],
)
def test_impossible_spectrograms_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpectrogramConfig(**settings)  # type: ignore[arg-type]


def test_a_sound_that_cannot_be_cut_is_refused() -> None:
    with pytest.raises(ConfigError, match="equal parts"):
        SpectrogramConfig(segments=9).windows(16_000)
    with pytest.raises(ConfigError, match="too few"):
        SpectrogramConfig(padding="none").windows(100)


# Extractors ---------------------------------------------------------------------------------------------------------

#: Classes of the published classifier, keys of the state dict, parameters.
PUBLISHED = {"r2plus1d18": (400, 224, 31_505_325), "resnet18": (1000, 122, 11_689_512)}
#: Keys that torchvision's files hold, in the places where an own naming would differ.
LANDMARKS = {
    "r2plus1d18": {
        "stem.0.weight": (45, 3, 1, 7, 7),
        "stem.3.weight": (64, 45, 3, 1, 1),
        "stem.4.running_var": (64,),
        "layer1.0.conv1.0.0.weight": (144, 64, 1, 3, 3),
        "layer1.0.conv1.0.1.bias": (144,),
        "layer1.0.conv1.0.3.weight": (64, 144, 3, 1, 1),
        "layer1.1.conv2.1.num_batches_tracked": (),
        "layer2.0.conv1.0.0.weight": (230, 64, 1, 3, 3),
        "layer2.0.conv2.0.0.weight": (230, 128, 1, 3, 3),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1, 1),
        "layer2.1.conv1.0.0.weight": (288, 128, 1, 3, 3),
        "layer4.0.conv1.0.3.weight": (512, 921, 3, 1, 1),
        "layer4.1.conv2.0.3.weight": (512, 1152, 3, 1, 1),
        "layer4.0.downsample.1.running_mean": (512,),
        "fc.weight": (400, 512),
    },
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.num_batches_tracked": (),
        "layer1.0.bn2.weight": (64,),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer4.1.conv2.weight": (512, 512, 3, 3),
        "fc.bias": (1000,),
    },
}


def with_classifier(extractor: Extractor, classes: int) -> Extractor:
    """Give an extractor the classifier that torchvision's files have weights of."""
    extractor.fc = torch.nn.Linear(extractor.out_features, classes)
    return extractor


@pytest.mark.parametrize("name", EXTRACTORS)
def test_an_extractor_has_the_keys_and_sizes_of_torchvision(name: str) -> None:
    classes, keys, params = PUBLISHED[name]
    with torch.device("meta"):
        extractor = with_classifier(build_extractor(name), classes)
    shapes = {key: tuple(value.shape) for key, value in extractor.state_dict().items()}
    assert sum(p.numel() for p in extractor.parameters()) == params
    assert len(shapes) == keys
    assert {key: shapes.get(key) for key in LANDMARKS[name]} == LANDMARKS[name]


@pytest.mark.parametrize(("name", "shape"), [("r2plus1d18", (1, 3, 4, 24, 32)), ("resnet18", (1, 3, 40, 56))])
def test_weights_of_a_file_fill_an_extractor_of_colours_or_of_spectrograms(
    name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    published = with_classifier(build_extractor(name), 7).eval()
    torch.save(published.state_dict(), tmp_path / "weights.pth")
    colours, grey = build_extractor(name).eval(), build_extractor(name, channels=1).eval()
    load_weights(colours, tmp_path / "weights.pth")
    load_weights(grey, tmp_path / "weights.pth")
    x = torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(colours(x), published(x))
        assert colours(x).shape == (1, colours.out_features)
        one = x[:, :1]
        torch.testing.assert_close(grey(one), published(one.expand(shape)), rtol=1e-4, atol=1e-4)


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(ConfigError, match="does not exist"):
        load_weights(build_extractor("resnet18", width=4), path)
    torch.save(build_extractor("resnet18", width=4).state_dict(), path)
    with pytest.raises(ConfigError, match="other shapes"):
        load_weights(build_extractor("resnet18", width=8), path)
    with pytest.raises(ConfigError, match="lacks"):
        load_weights(build_extractor("r2plus1d18", width=4), path)
    path.write_bytes(hashlib.sha256(b"no weights").digest())
    with pytest.raises(ConfigError, match="cannot be read as weights"):
        load_weights(build_extractor("resnet18", width=4), path)
