"""Generators of the official code, against a forward pass written from the specification over their own names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crosswire.export.freeze import freeze
from crosswire.training.__main__ import main
from crosswire.training.engine.run_folder import read_run
from crosswire.training.importers.cen_translation import import_translation
from crosswire.training.importers.weight_files import CheckpointError
from crosswire.training.tasks.translation.evaluate import TranslationRun

WIDTH = 4
SIZES = [WIDTH * m for m in (1, 2, 4, 8, 8, 8, 8, 8)]
State = dict[str, Tensor]


def names() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield names and shapes of an official generator of two streams."""
    yield "alpha", (2,)
    for level, (before, after) in enumerate(zip([3, *SIZES], SIZES, strict=False), 1):
        yield from _layer(f"conv{level}", "conv", (after, before, 4, 4), after)
    outs = [*reversed(SIZES[:-1]), 3]
    for level, after in enumerate(outs, 1):
        before = SIZES[-1] if level == 1 else 2 * SIZES[8 - level]
        yield from _layer(f"deconv{level}", "deconv", (before, after, 4, 4), after)


def _layer(name: str, kind: str, weight: tuple[int, ...], channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.{kind}.module.weight", weight
    yield f"{name}.{kind}.module.bias", (channels,)
    for stream in range(2):
        norm = f"{name}.insnorm_{kind}.insnorm_{stream}"
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{norm}.{part}", (channels,)
        yield f"{norm}.num_batches_tracked", ()


@pytest.fixture(scope="module")
def state() -> State:
    """Return random official weights, a third of all γ small."""
    torch.manual_seed(0)
    made: State = {}
    for name, shape in names():
        made[name] = torch.randn(shape)
        if name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(5)
        elif ".module.weight" in name:
            made[name] *= 0.1
        elif name.endswith("running_var"):
            made[name] = torch.rand(shape) + 0.5
        elif name.endswith(".weight"):
            made[name] = torch.where(torch.rand(shape) < 0.33, 0.009, made[name])
    return made


@pytest.fixture(scope="module")
def run(state: State, tmp_path_factory: pytest.TempPathFactory) -> TranslationRun:
    """Return the imported run."""
    folder = tmp_path_factory.mktemp("official")
    torch.save(state, folder / "checkpoint-gen.pkl")
    import_translation(folder / "checkpoint-gen.pkl", folder / "run")
    return read_run(folder / "run")


def forward(state: State, inputs: list[Tensor], *, own: bool) -> tuple[Tensor, list[Tensor]]:
    """Return the ensemble's picture and those of both streams, from pictures of three channels.

    Args:
        state: the official weights.
        inputs: two pictures [N, 3, 256, 256].
        own: normalise every picture with its own statistics.
    """

    def norm(name: str, x: list[Tensor]) -> list[Tensor]:
        found = []
        for stream, value in enumerate(x):
            weight, bias, mean, var = (
                state[f"{name}.insnorm_{stream}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
            )
            found.append(F.instance_norm(value, mean, var, weight, bias, use_input_stats=own, momentum=0.0))
        return found

    x, skips = inputs, []
    for level in range(1, 9):
        if level > 1:
            x = [F.leaky_relu(value, 0.2) for value in x]
        name = f"conv{level}"
        x = [F.conv2d(v, state[f"{name}.conv.module.weight"], state[f"{name}.conv.module.bias"], 2, 1) for v in x]
        if 1 < level < 8:
            own_x = norm(f"{name}.insnorm_conv", x)
            x = [value.clone() for value in own_x]
            for stream in range(2):
                small = state[f"{name}.insnorm_conv.insnorm_{stream}.weight"].abs() < 1e-2
                x[stream][:, small] = own_x[1 - stream][:, small]
        skips.append(x)
    for level in range(1, 9):
        if level > 1:
            x = [torch.cat(pair, 1) for pair in zip(x, skips[8 - level], strict=True)]
        name = f"deconv{level}"
        weight, bias = state[f"{name}.deconv.module.weight"], state[f"{name}.deconv.module.bias"]
        x = [F.conv_transpose2d(value.relu(), weight, bias, 2, 1) for value in x]
        if level < 8:
            x = norm(f"{name}.insnorm_deconv", x)
    pictures = [value.tanh() for value in x]
    alpha = state["alpha"].exp() / state["alpha"].exp().sum()
    return alpha[0] * pictures[0] + alpha[1] * pictures[1], pictures


@pytest.mark.parametrize("own", [False, True])
def test_an_imported_generator_agrees_with_a_forward_written_from_the_specification(
    run: TranslationRun, state: State, own: bool
) -> None:
    shade, texture = (torch.rand(1, 1, 256, 256) * 2 - 1 for _ in range(2))
    grey = [shade, texture.expand(-1, 3, -1, -1)]
    for module in run.network.modules():
        if hasattr(module, "own_statistics"):
            module.own_statistics = own
    with torch.inference_mode():
        expected, streams = forward(state, [x.expand(-1, 3, -1, -1) for x in grey], own=own)
        made = run.network(*grey)
        frozen = freeze(run.network)(*grey)[0]
    torch.testing.assert_close(made.answers, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.flows, torch.cat(streams), atol=1e-4, rtol=0)
    torch.testing.assert_close(frozen, expected, atol=1e-4, rtol=0)


def test_the_command_says_what_it_has_imported_and_refuses_what_does_not_fit(
    state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(
        {key: value for key, value in state.items() if key != "deconv3.deconv.module.bias"}, tmp_path / "cut.pkl"
    )
    torch.save(state, tmp_path / "whole.pkl")
    command = ["import-cen", str(tmp_path / "whole.pkl"), "--network", "unet256", "--out", str(tmp_path / "run")]
    assert main([*command, "--set", "network.inputs=depth,normal"]) == 0
    assert "depth + normal to rgb" in capsys.readouterr().out
    assert main(command) == 2
    assert "already holds a run" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match=r"1 missing keys: deconv3\.deconv\.module\.bias"):
        import_translation(tmp_path / "cut.pkl", tmp_path / "other")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "strange.pkl")
    with pytest.raises(CheckpointError, match="no generator of the official code"):
        import_translation(tmp_path / "strange.pkl", tmp_path / "other")
