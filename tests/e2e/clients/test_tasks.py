"""The client's other answers, from a real server: translations, clips, bare tensors, and pairs without one picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.clients import InputError, Predictor, RequestRejectedError
from crosswire.clients.__main__ import main
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import depth_png, png
from tests.support.small_clips import clip
from tests.support.training.small_networks import EVENTS, FRAMES, HEIGHT, SAMPLES, WIDTH, classified


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, small: EmbeddedServer) -> str:
    return small.grpc_url if request.param == "grpc" else small.http_url


def test_a_clip_is_classified_with_a_picture_of_what_was_seen_and_heard(url: str, tmp_path: Path) -> None:
    with Predictor(url) as predictor:
        found = predictor.classify(clip(), pipeline="events_small_clip")
        silent = predictor.classify(clip(sounds=0), strip=False)
    assert (found.modalities, found.warnings, silent.modalities) == (("frames", "waveform"), (), ("frames",))
    assert silent.warnings[0].startswith("no_sound") and silent.strip_png is None
    assert [name for name, _ in found.top(1)] == [EVENTS[int(found.probabilities.argmax())]]
    files = found.save(tmp_path, "bell")
    assert [path.name for path in files.values()] == ["bell.json", "bell.strip.png"]
    assert json.loads(files["answer"].read_text())["probabilities"] == pytest.approx(dict(found.top(3)))
    assert files["strip"].read_bytes() == found.strip_png and found.strip().width == 960


def test_bare_frames_and_samples_go_to_the_network_itself(url: str) -> None:
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    waveform = random.uniform(-1, 1, SAMPLES).astype(np.float32)
    sent: list[dict[str, Any]] = [{"frames": frames, "waveform": waveform}, {"frames": frames}, {"waveform": waveform}]
    with Predictor(url) as predictor:
        for arrays in sent:
            found = predictor.classify(**arrays)
            batched = {name: array[None] for name, array in arrays.items()}
            wanted = classified(batched.get("frames"), batched.get("waveform"))[0]
            np.testing.assert_allclose(found.probabilities, wanted, atol=1e-5)
            assert found.modalities == tuple(arrays)
        with pytest.raises(InputError, match="nothing came"):
            predictor.classify()
        with pytest.raises(InputError, match=r"waveform: came float64 \[3\]; send float32"):
            predictor.classify(waveform=np.zeros(3))  # type: ignore[arg-type]
        with pytest.raises(InputError, match="send the one or the other"):
            predictor.classify(clip(), frames=frames)
        with pytest.raises(RequestRejectedError, match="clip is no MP4"):
            predictor.classify(b"#EXTM3U")


def test_pictures_are_translated_by_domain(url: str, tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    metres = np.full((HEIGHT, WIDTH), 1.5, np.float32)
    with Predictor(url) as predictor:
        found = predictor.translate({"texture": grey, "shade": grey, "depth": metres})
        with pytest.raises(InputError, match="no image came"):
            predictor.translate({})
        with pytest.raises(InputError, match=r"has no input 'textur'; it has: texture, shade, depth$"):
            predictor.translate({"textur": grey, "shade": grey, "depth": metres})
        with pytest.raises(InputError, match="depth_units_per_metre is -5"):
            predictor.translate({"texture": grey}, depth_units_per_metre=-5)
        with pytest.raises(InputError, match="shade: pipeline 'rooms_small_image' cannot do without; send it"):
            predictor.translate({"texture": grey})
    assert found.streams == ("texture", "shade", "depth") and found.warnings == ()
    assert sorted(found.images) == ["depth", "edge", "labels", "rgb"]
    np.testing.assert_allclose(found.metres(), 3.0, atol=1e-3)
    np.testing.assert_array_equal(np.asarray(found.image("edge")), grey)
    with pytest.raises(InputError, match="there is no output 'normal'"):
        found.image("normal")
    files = found.save(tmp_path, "room")
    assert files["rgb"] == tmp_path / "room.rgb.png" and json.loads(files["summary"].read_text())["width"] == WIDTH


def test_a_pair_may_lack_one_picture_where_the_network_was_trained_for_that(url: str, tmp_path: Path) -> None:
    with Predictor(url) as predictor:
        for rgb, depth, streams in ((png(), None, ["rgb"]), (None, depth_png(), ["depth"])):
            found = predictor.segment(rgb, depth, overlay=False)
            assert found.summary["streams"] == streams and found.labels.shape == (48, 64)
            assert found.overlay(0.5).size == (64, 48)
            found.save(tmp_path, streams[0])
        with pytest.raises(InputError, match="depth_units_per_metre is -5"):
            predictor.segment(png(), depth_units_per_metre=-5)
        with pytest.raises(InputError, match="neither rgb nor depth came"):
            predictor.segment(None, None)


def test_the_command_line_answers_a_clip_a_translation_and_a_lone_picture(
    small: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clip.mkv").write_bytes(clip())
    (tmp_path / "room.png").write_bytes(png())
    (tmp_path / "room.depth.png").write_bytes(depth_png())
    common = ["--url", small.grpc_url, "--out", str(tmp_path / "out")]
    room, depth = str(tmp_path / "room.png"), str(tmp_path / "room.depth.png")
    assert main(["predict", str(tmp_path / "clip.mkv"), "--pipeline", "events_small_clip", *common]) == 0
    said = capsys.readouterr().out
    assert "used: frames and waveform" in said and "clip.strip.png" in said
    inputs = [word for name in ("texture", "shade") for word in ("--input", f"{name}={room}")]
    domains = [*inputs, "--input", f"depth={depth}", "--pipeline", "rooms_small_image"]
    assert main(["predict", *domains, *common, "--json"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["files"]) == ["depth", "edge", "labels", "rgb", "summary"]
    assert main(["predict", "--input", f"rgb={room}", "--pipeline", "rooms_absent_image", *common]) == 0
    assert "by colour" in capsys.readouterr().out
    for pipeline, offer in (("rooms_absent_image", "rgb, depth"), ("rooms_small_image", "texture, shade, depth")):
        assert main(["predict", "--input", f"colour={room}", "--pipeline", pipeline, *common]) == 2
        assert f"pipeline '{pipeline}' has no input 'colour'; it has: {offer}\n" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "clip.json", "clip.strip.png", "room.depth.png", "room.edge.png", "room.labels.png", "room.overlay.png",
        "room.rgb.png", "room.summary.json",
    ]  # fmt: skip
