"""Graphs of networks that transformers builds, small and with random weights, and what its own pipelines answer.

    python -m tests.support.adopted.hugging_face OUT

Run in a process of its own: the import takes seconds, and the older exporter, whose names and open sizes most graphs on
the Hub have, warns. OUT gets a folder per network as the Hub has them, `model.onnx` beside `config.json` and, for
images, `preprocessor_config.json`; and `answers.npz`: samples as files hold them, and the answers of the package's own
pre- and post-processing to them, by PyTorch.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn
from transformers.models.audio_spectrogram_transformer import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
)
from transformers.models.depth_anything import DepthAnythingConfig, DepthAnythingForDepthEstimation
from transformers.models.dinov2 import Dinov2Config
from transformers.models.dpt import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil
from transformers.models.segformer import (
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessorPil,
)
from transformers.models.videomae import VideoMAEConfig, VideoMAEForVideoClassification
from transformers.models.wav2vec2 import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
)

from tests.support.adopted.images import smooth_images

SIZE, DEPTH_SIZE, DPT_SIZE, SAMPLES, RATE = (64, 96), (70, 98), (96, 96), 4000, 16000
CLASSES = ("road", "kerb", "grass", "wall", "sky", "pole", "sign")
SOUNDS = ("yes", "no", "up", "down")
FRAMES = 3
#: Sizes and names that the transformers of clips have.
TINY = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
NAMED = {"id2label": dict(enumerate(SOUNDS)), "label2id": {name: index for index, name in enumerate(SOUNDS)}}
#: Of which AST makes 59 windows, and pads them to 64.
AST_SAMPLES = 9680


class One(nn.Module):
    """A network of which one output is exported, as the exporters of the Hub do it."""

    def __init__(self, network: nn.Module, output: str) -> None:
        super().__init__()
        self.network, self.output = network, output

    def forward(self, value: Tensor) -> Tensor:
        """Return the output of that name."""
        answer = getattr(self.network(value), self.output)
        assert isinstance(answer, Tensor)
        return answer


def write(folder: Path, network: Any, names: tuple[str, str], value: Tensor, axes: Mapping[int, str]) -> None:
    """Write the graph of one output of a network, with open axes, beside its configuration."""
    folder.mkdir(parents=True)
    network.config.save_pretrained(folder)
    opened = {names[0]: dict(axes), names[1]: {0: axes[0]}}
    path = str(folder / "model.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            One(network, names[1]).eval(),
            (value,),
            path,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes=opened,
            opset_version=17,
            dynamo=False,
        )


def segformer(folder: Path) -> None:
    """SegFormer: logits at a quarter of the size."""
    names = dict(enumerate(CLASSES))
    config = SegformerConfig(
        hidden_sizes=[16, 24, 32, 48],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 2, 2, 4],
        decoder_hidden_size=32,
        id2label=names,
        label2id={name: index for index, name in names.items()},
    )
    network = SegformerForSemanticSegmentation(config).eval()
    processor = SegformerImageProcessorPil(size={"height": SIZE[0], "width": SIZE[1]})
    images = smooth_images(SIZE, FRAMES, 3)
    values = processor(images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        raw = network(values).logits
        last = network.decode_head.classifier  # every class gets the same share of the logits
        mean, deviation = raw.mean((0, 2, 3)), raw.std((0, 2, 3))
        last.weight /= deviation[:, None, None, None]
        last.bias.copy_((last.bias - mean) / deviation)
        answer = network(values)
    found = processor.post_process_semantic_segmentation(answer, target_sizes=[SIZE] * FRAMES)
    labels = np.stack([np.asarray(getattr(one, "segmentation", one)) for one in found]).astype(np.uint8)
    axes = {0: "batch_size", 1: "num_channels", 2: "height", 3: "width"}
    write(folder, network, ("pixel_values", "logits"), values, axes)
    processor.save_pretrained(folder)
    np.savez(folder / "answers.npz", rgb=np.stack(images), labels=labels, logits=answer.logits.numpy())


def depth(folder: Path, kind: str) -> None:
    """Depth Anything: relative, or in metres up to 20."""
    backbone = Dinov2Config(
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=DEPTH_SIZE[0],
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=24,
        neck_hidden_sizes=[8, 12, 16, 16],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else 1,
    )
    network = DepthAnythingForDepthEstimation(config).eval()
    processor = DPTImageProcessorPil(
        size={"height": DEPTH_SIZE[0], "width": DEPTH_SIZE[1]},
        ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    write_depth(folder, network, network.head.conv3, processor, DEPTH_SIZE)


def dpt(folder: Path) -> None:
    """DPT on a vision transformer: relative depth."""
    config = DPTConfig(
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=DPT_SIZE[0],
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 12, 16, 16],
        fusion_hidden_size=16,
        is_hybrid=False,
    )
    network = DPTForDepthEstimation(config).eval()
    processor = DPTImageProcessorPil(
        size={"height": DPT_SIZE[0], "width": DPT_SIZE[1]}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    write_depth(folder, network, network.head.head[-2], processor, DPT_SIZE)


def write_depth(folder: Path, network: Any, last: Any, processor: Any, size: tuple[int, int]) -> None:
    """Write a network of depth whose last convolution is made to tell its samples apart."""
    images = smooth_images(size, FRAMES, 3)
    values = processor(images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        seen: list[Tensor] = []
        watched = last.register_forward_hook(lambda layer, given, found: seen.append(found))
        network(values)
        watched.remove()
        last.weight *= 0.5 / seen[0].std()  # random weights answer nearly the same everywhere
        last.bias.copy_((last.bias - seen[0].mean()) * 0.5 / seen[0].std() + 1)
        answer = network(values).predicted_depth
    axes = {0: "batch_size", 2: "height", 3: "width"}
    write(folder, network, ("pixel_values", "predicted_depth"), values, axes)
    processor.save_pretrained(folder)
    np.savez(folder / "answers.npz", rgb=np.stack(images), depth=answer.numpy())


def sounds(count: int) -> list[np.ndarray[Any, Any]]:
    """Return tones that fade, over a little noise, float32 [count]."""
    seconds, generator = np.arange(count) / RATE, np.random.default_rng(5)
    found = []
    for pitch in (220, 880, 3000):
        tone = 0.5 * np.sin(2 * np.pi * pitch * seconds) * np.exp(-3 * seconds) + generator.normal(0, 0.01, count)
        found.append((np.round(32767 * tone) / 32768).astype(np.float32))
    return found


def wav2vec2(folder: Path) -> None:
    """Wav2Vec2 as a classifier of sounds: one of four, from the waveform."""
    config = Wav2Vec2Config(
        **TINY,
        conv_dim=(16, 16, 16),
        conv_stride=(5, 4, 4),
        conv_kernel=(10, 8, 8),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=16,
        **NAMED,
    )
    network = Wav2Vec2ForSequenceClassification(config).eval()
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=True)
    clips = sounds(SAMPLES)
    values = extractor(clips, sampling_rate=RATE, return_tensors="pt")["input_values"]
    with torch.no_grad():
        network.classifier.weight *= 100
        logits = network(values).logits
    write(folder, network, ("input_values", "logits"), values, {0: "batch_size", 1: "sequence_length"})
    extractor.save_pretrained(folder)
    np.savez(folder / "answers.npz", waveform=np.stack(clips), probabilities=logits.softmax(-1).numpy())


def videomae(folder: Path) -> None:
    """VideoMAE: one of four from frames, normalised as its processor does it."""
    config = VideoMAEConfig(
        image_size=32,
        num_frames=4,
        **TINY,
        **NAMED,
    )
    network = VideoMAEForVideoClassification(config).eval()
    images = smooth_images((32, 32), FRAMES, 3)
    clips = np.stack([np.stack([np.roll(one, 2 * place, 1) for place in range(4)]) for one in images])
    mean, deviation = np.asarray([0.485, 0.456, 0.406]), np.asarray([0.229, 0.224, 0.225])
    values = torch.from_numpy(((clips / 255 - mean) / deviation).astype(np.float32).transpose(0, 1, 4, 2, 3).copy())
    with torch.no_grad():
        network.classifier.weight *= 50
        logits = network(values).logits
    write(folder, network, ("pixel_values", "logits"), values, {0: "batch_size"})
    np.savez(folder / "answers.npz", frames=clips, probabilities=logits.softmax(-1).numpy())


def ast(folder: Path) -> None:
    """AST: four sounds, any number of them at once, from a spectrogram that its extractor makes."""
    config = ASTConfig(
        max_length=64,
        **TINY,
        **NAMED,
    )
    network = ASTForAudioClassification(config).eval()
    extractor = ASTFeatureExtractor(max_length=64)
    clips = sounds(AST_SAMPLES)
    values = extractor(clips, sampling_rate=RATE, return_tensors="pt")["input_values"]
    with torch.no_grad():
        network.classifier.dense.weight *= 50
        logits = network(values).logits
    write(folder, network, ("input_values", "logits"), values, {0: "batch_size"})
    extractor.save_pretrained(folder)
    np.savez(
        folder / "answers.npz", waveform=np.stack(clips), values=values.numpy(), probabilities=logits.sigmoid().numpy()
    )


def main() -> None:
    """Write every network."""
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    makers = {
        "segformer": segformer,
        "relative": lambda folder: depth(folder, "relative"),
        "metric": lambda folder: depth(folder, "metric"),
        "dpt": dpt,
        "wav2vec2": wav2vec2,
        "videomae": videomae,
        "ast": ast,
    }
    for name, make in makers.items():
        torch.manual_seed(1)
        make(out / name)
    print(json.dumps({"transformers": transformers.__version__, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
