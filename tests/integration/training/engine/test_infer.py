"""Running a network on arrays: the network's own answers, and refusals of arrays that do not fit."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crosswire.training.__main__ import main
from crosswire.training.engine.arrays import TensorError, infer, read_arrays, write_arrays
from crosswire.training.engine.run_folder import Run, read_run, write_config, write_weights
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.network import build_network


@pytest.fixture(scope="module")
def run(tiny: SegmentationConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run with random weights."""
    folder = tmp_path_factory.mktemp("runs") / "random"
    torch.manual_seed(0)
    write_config(folder, tiny)
    write_weights(folder, build_network(tiny.network).state_dict())
    return read_run(folder)


def arrays(batch: int = 3, size: tuple[int, int] = (64, 80)) -> dict[str, Any]:
    """Return normalised noise for colour and depth."""
    random = np.random.default_rng(0)
    return {
        "rgb": random.standard_normal((batch, 3, *size)).astype(np.float32),
        "depth": random.standard_normal((batch, 1, *size)).astype(np.float32),
    }


def test_the_command_writes_what_the_network_answers(run: Run, tmp_path: Path) -> None:
    given = arrays(size=(70, 97))
    np.savez(tmp_path / "in.npz", **given)
    out = tmp_path / "new" / "answers"
    assert main(["infer", str(run.folder), "--tensors", str(tmp_path / "in.npz"), "--out", str(out)]) == 0
    with np.load(out) as answers, torch.inference_mode():
        decisions = run.network(torch.from_numpy(given["rgb"]), torch.from_numpy(given["depth"]))
        assert set(answers.files) == {"ensemble", "rgb", "depth"}
        expected = dict(zip(("rgb", "depth"), decisions.streams.chunk(2), strict=True))
        for name, value in {"ensemble": decisions.ensemble, **expected}.items():
            assert answers[name].dtype == np.float32
            assert answers[name].shape == (3, run.config.network.classes, 18, 25)
            np.testing.assert_allclose(answers[name], value.numpy(), rtol=1e-4, atol=1e-5)
    assert [path.name for path in out.parent.iterdir()] == ["answers"]


def test_the_order_of_the_arrays_does_not_matter(run: Run) -> None:
    given = arrays(1)
    turned = dict(reversed(given.items()))
    np.testing.assert_array_equal(infer(run, given)["ensemble"], infer(run, turned)["ensemble"])


def test_a_network_of_one_stream_answers_for_it(tiny: SegmentationConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny, network=dataclasses.replace(tiny.network, streams=("depth",)))
    write_config(tmp_path, config)
    write_weights(tmp_path, build_network(config.network).state_dict())
    answers = infer(read_run(tmp_path), {"depth": arrays(2)["depth"]})
    assert list(answers) == ["ensemble", "depth"]
    np.testing.assert_allclose(answers["ensemble"], answers["depth"], rtol=1e-5)


NAN = np.full((3, 1, 64, 80), np.nan, np.float32)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"depth": None}, r"depth is missing; give exactly rgb float32 \[N, 3, H, W\], depth float32 \[N, 1, H, W\]"),
        ({"thermal": np.zeros((3, 1, 64, 80), np.float32)}, "thermal is no input of this network"),
        ({"depth": np.zeros((3, 1, 64, 80), np.int64)}, "depth is int64; give float32"),
        ({"depth": np.zeros((3, 1, 64, 80))}, "depth is float64; give float32"),
        ({"rgb": np.zeros((3, 64, 80, 3), np.float32)}, r"rgb has shape \[3, 64, 80, 3\]; give \[N, 3, H, W\]"),
        ({"rgb": np.zeros((3, 64, 80), np.float32)}, r"rgb has shape \[3, 64, 80\]"),
        ({"rgb": np.zeros((0, 3, 64, 80), np.float32)}, r"rgb has shape \[0, 3, 64, 80\]"),
        (
            {"depth": np.zeros((3, 1, 32, 80), np.float32)},
            r"depth has shape \[3, 1, 32, 80\], rgb has \[3, 3, 64, 80\]",
        ),
        ({"depth": np.zeros((2, 1, 64, 80), np.float32)}, "N, H and W are the same for all inputs"),
        ({"depth": NAN}, "depth holds values that are not finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    run: Run, change: dict[str, Any], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {name: array for name, array in (arrays() | change).items() if array is not None}
    with pytest.raises(TensorError, match=expected):
        infer(run, given)
    np.savez(tmp_path / "in.npz", **given)
    files = ["--tensors", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz")]
    assert main(["infer", str(run.folder), *files]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out.npz").exists()


def bytes_of(write: Any) -> bytes:
    """Return what a function writes into a stream."""
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive",
        bytes_of(lambda stream: np.save(stream, np.zeros(3))),
        bytes_of(lambda stream: np.savez(stream, rgb=np.asarray([{}], object))),
        bytes_of(lambda stream: np.savez(stream, rgb=np.zeros(1000)))[:-300],
    ],
    ids=["empty", "text", "bare array", "objects", "truncated"],
)
def test_a_file_that_is_no_archive_of_arrays_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.npz").write_bytes(content)
    with pytest.raises(TensorError, match=r"in\.npz"):
        read_arrays(tmp_path / "in.npz")


def test_a_missing_file_is_refused(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--tensors", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz")]
    assert main(["infer", str(run.folder), *files]) == 2
    assert "in.npz" in capsys.readouterr().err


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    given = arrays(1)
    write_arrays(tmp_path / "folder" / "a.npz", given)
    again = read_arrays(tmp_path / "folder" / "a.npz")
    assert list(again) == list(given)
    np.testing.assert_array_equal(again["rgb"], given["rgb"])
