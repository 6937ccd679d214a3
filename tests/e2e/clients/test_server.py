"""Clients against the real server: both protocols, every kind of input, every refusal."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import (
    CrosswireError,
    DeadlineExceeded,
    InputError,
    PipelineNotFoundError,
    Predictor,
    RequestRejectedError,
    Segmentation,
    ServerUnreachable,
)
from crosswire.clients.__main__ import main
from crosswire.clients.address import Address
from crosswire.clients.own_server import own_server
from crosswire.clients.tasks.segmentation import SEGMENTATION_OUTPUTS
from crosswire.clients.transport import open_transport
from crosswire.contract.wire_names import CONFIDENCE_PNG, OVERLAY_PNG
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.running import running_servers
from crosswire.training.datasets.rooms import render
from tests.support.servers.real import NETWORK, REPOSITORY, wait_until

ROOM = render(23, 4)
MILLIMETRES = np.rint(ROOM.depth * 1000).astype(np.uint16)


def encoded(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, server: Any) -> str:
    """Address of the running server, once per protocol."""
    address: str = server.grpc_url if request.param == "grpc" else server.http_url
    assert address.startswith(f"{request.param}://")
    return address


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Files of a colour and a depth picture."""
    (tmp_path / "room.rgb.png").write_bytes(encoded(ROOM.rgb))
    (tmp_path / "room.depth.png").write_bytes(encoded(MILLIMETRES))
    return tmp_path / "room.rgb.png", tmp_path / "room.depth.png"


def test_a_pipeline_describes_itself(url: str) -> None:
    with Predictor(url) as predictor:
        (offered,) = (found for found in predictor.pipelines() if found.task == "segmentation")
        assert predictor.pipeline() == predictor.pipeline(offered.name) == offered
    names = [tensor.name for tensor in offered.inputs]
    assert names == ["rgb_image", "depth_image", "depth_units_per_metre", "camera"]
    assert [tensor.optional for tensor in offered.inputs] == [False, False, True, True]
    assert [tensor.name for tensor in offered.outputs] == ["labels_png", "overlay_png", "summary", "confidence_png"]
    assert {*SEGMENTATION_OUTPUTS, OVERLAY_PNG, CONFIDENCE_PNG} == {tensor.name for tensor in offered.outputs}
    assert len(offered.classes) == len(offered.palette) > 1
    assert offered.name == f"{offered.network}_image"


def test_a_result_is_labels_shares_summary_and_overlay(url: str) -> None:
    with Predictor(url) as predictor:
        result = predictor.segment(ROOM.rgb, ROOM.depth)
    assert result.labels.shape == ROOM.labels.shape and result.labels.dtype == np.uint8
    assert result.overlay().size == (ROOM.rgb.shape[1], ROOM.rgb.shape[0])
    assert sum(result.shares.values()) == pytest.approx(1)
    assert {name for name, share in result.shares.items() if share} == set(result.confidences)
    assert result.mean_confidence is not None and 0 < result.mean_confidence <= 1
    said = {entry["name"]: entry["share"] for entry in result.summary["classes"]}
    assert said == pytest.approx({name: share for name, share in result.shares.items() if share}, abs=1e-5)
    with Image.open(io.BytesIO(result.labels_png)) as labels:
        assert np.array_equal(np.asarray(labels.convert("RGB")), result.palette[result.labels])
    times = result.timings
    assert 0 < times.request_ms < times.total_ms and times.attempts == 1
    assert result.confidence is not None and result.confidence.shape == result.labels.shape
    assert result.confidence.mean() / 255 == pytest.approx(result.mean_confidence, abs=0.01)


def test_an_answer_holds_only_what_was_asked_for(url: str) -> None:
    with Predictor(url) as predictor:
        result = predictor.segment(ROOM.rgb, ROOM.depth, overlay=False, confidence=False)
        whole = predictor.segment(ROOM.rgb, ROOM.depth)
    assert result.overlay_png is None and result.confidence is None
    assert np.array_equal(np.asarray(result.overlay()), np.asarray(whole.overlay())), "it is drawn here, equally"


def test_a_network_that_can_do_without_a_picture_says_what_it_used(small: Any) -> None:
    with Predictor(small.http_url) as predictor:
        for given in ({"rgb": ROOM.rgb, "depth": ROOM.depth}, {"rgb": ROOM.rgb}, {"depth": ROOM.depth}):
            drawn = predictor.segment(**given, pipeline="rooms_absent_image")
            assert drawn.streams == tuple(given) and drawn.labels.shape == ROOM.labels.shape
            bare = predictor.segment(**given, pipeline="rooms_absent_image", overlay=False)
            assert np.array_equal(np.asarray(bare.overlay()), np.asarray(drawn.overlay())), "drawn here, equally"
        with pytest.raises(InputError, match="neither rgb nor depth came"):
            predictor.segment()


def test_a_picture_that_a_network_cannot_do_without_is_asked_for(url: str) -> None:
    with Predictor(url) as predictor, pytest.raises(InputError, match=r"depth: pipeline '.*' cannot do without"):
        predictor.segment(ROOM.rgb)


def test_both_protocols_bring_the_same_bytes(server: Any) -> None:
    results = []
    for url in (server.grpc_url, server.http_url):
        with Predictor(url) as predictor:
            results.append(predictor.segment(ROOM.rgb, ROOM.depth))
    first, second = results
    assert first.labels_png == second.labels_png
    assert first.overlay_png == second.overlay_png
    assert first.summary == second.summary


def test_every_kind_of_input_gives_the_same_labels(server: Any, pair: tuple[Path, Path]) -> None:
    colours: list[Any] = [pair[0], str(pair[0]), pair[0].read_bytes(), ROOM.rgb, Image.fromarray(ROOM.rgb)]
    depths: list[Any] = [pair[1], str(pair[1]), pair[1].read_bytes(), MILLIMETRES, Image.fromarray(MILLIMETRES)]
    with Predictor(server.grpc_url) as predictor:
        results = [predictor.segment(rgb, depth) for rgb, depth in zip(colours, depths, strict=True)]
    assert all(np.array_equal(result.labels, results[0].labels) for result in results)


def test_metres_millimetres_and_fifths_of_millimetres_are_one_depth(server: Any) -> None:
    fifths = MILLIMETRES * np.uint16(5)
    assert fifths.max() // 5 == MILLIMETRES.max(), "the room fits into 16 bits"
    metres = MILLIMETRES.astype(np.float32) / 1000
    with Predictor(server.grpc_url) as predictor:
        wanted = predictor.segment(ROOM.rgb, MILLIMETRES).labels
        for depth, unit in ((metres, None), (fifths, 5000.0), (MILLIMETRES, 1000.0), (Image.fromarray(metres), None)):
            found = predictor.segment(ROOM.rgb, depth, depth_units_per_metre=unit).labels
            assert (found == wanted).mean() > 0.999, (depth, unit)
        mistaken = predictor.segment(ROOM.rgb, fifths)
    assert (mistaken.labels != wanted).mean() > 0.05, "five times as far is another room"


def test_pictures_of_another_size_come_back_at_their_own_size(url: str) -> None:
    large = np.asarray(Image.fromarray(ROOM.rgb).resize((400, 320)))
    with Predictor(url) as predictor:
        assert predictor.segment(large, ROOM.depth).labels.shape == (320, 400)


def test_a_picture_beyond_4_megabytes_passes(url: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1280, 1600, 3), dtype=np.uint8)
    assert len(encoded(noise)) > 5_000_000
    with Predictor(url) as predictor:
        assert predictor.segment(noise, ROOM.depth).labels.shape == (1280, 1600)


def test_threads_may_share_a_predictor(url: str) -> None:
    rooms = [render(23, index) for index in range(4)]
    with Predictor(url) as predictor:
        alone = [predictor.segment(room.rgb, room.depth).labels for room in rooms]
        with ThreadPoolExecutor(4) as pool:
            together: list[Segmentation] = list(pool.map(lambda room: predictor.segment(room.rgb, room.depth), rooms))
    for labels, result in zip(alone, together, strict=True):
        assert (labels == result.labels).mean() > 0.999


def test_an_unknown_pipeline_is_answered_with_the_known(url: str) -> None:
    with Predictor(url) as predictor:
        known = predictor.pipeline()
        with pytest.raises(
            PipelineNotFoundError, match=f"no pipeline 'kitchens'; for segmentation it has: {known.name}"
        ):
            predictor.segment(ROOM.rgb, ROOM.depth, pipeline="kitchens")
        with pytest.raises(PipelineNotFoundError, match=f"model '{known.network}' is no pipeline"):
            predictor.segment(ROOM.rgb, ROOM.depth, pipeline=known.network)
        with pytest.raises(PipelineNotFoundError, match="offers no origami pipeline"):
            predictor.pipeline(task="origami")
        with pytest.raises(PipelineNotFoundError, match="is for segmentation; name one for origami"):
            predictor.pipeline(known.name, task="origami")


def test_a_file_that_is_damaged_behind_its_header_is_refused_by_the_server(url: str) -> None:
    damaged = encoded(ROOM.rgb)[:2000]
    with Predictor(url) as predictor, pytest.raises(RequestRejectedError, match="rgb_image"):
        predictor.segment(damaged, ROOM.depth)


def test_an_answer_that_comes_too_late_leaves_the_connection_usable(url: str) -> None:
    large = np.zeros((3000, 3750, 3), np.uint8)
    inputs = {"rgb_image": encoded(large), "depth_image": encoded(MILLIMETRES)}
    tensors = {name: np.array([[data]], np.object_) for name, data in inputs.items()}
    line = open_transport(Address.parse(url))
    model = next(name for name in line.models(60) if name.endswith("_image"))
    with pytest.raises(DeadlineExceeded, match=r"no response within 0\.01 s"):
        line.infer(model, tensors, SEGMENTATION_OUTPUTS, 0.01)
    assert set(line.infer(model, tensors, ["summary"], 60)) == {"summary"}
    line.close()


def test_a_predictor_finds_a_restarted_server_again() -> None:
    ports: dict[str, int] = {}
    predictors: list[Predictor] = []
    for _ in range(2):
        with EmbeddedServer(REPOSITORY, networks=[NETWORK], **ports) as own:
            if not predictors:
                predictors = [Predictor(own.grpc_url), Predictor(own.http_url)]
                ports = {
                    "grpc_port": int(own.grpc_url.rpartition(":")[2]),
                    "http_port": int(own.http_url.rpartition(":")[2]),
                }
            for predictor in predictors:
                wait_until(partial(answers, predictor))
        for predictor in predictors:
            with pytest.raises(ServerUnreachable):
                predictor.segment(ROOM.rgb, ROOM.depth)
    for predictor in predictors:
        predictor.close()
        predictor.close()
        with pytest.raises(CrosswireError, match="was closed; make a new one"):
            predictor.segment(ROOM.rgb, ROOM.depth)


def answers(predictor: Predictor) -> bool:
    """Say whether there is an answer already: gRPC looks for a lost server every half second only."""
    try:
        predictor.segment(ROOM.rgb, ROOM.depth)
    except ServerUnreachable:
        return False
    return True


def test_predict_writes_three_files_and_a_table(
    url: str, pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["predict", *map(str, pair), "--url", url, "--out", str(out)]) == 0
    names = ["room.labels.png", "room.overlay.png", "room.summary.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0].split() == ["class", "share", "confidence"]
    summary = json.loads((out / names[2]).read_text())
    first = summary["classes"][0]
    assert lines[1].split() == [first["name"], f"{first['share']:.1%}", f"{first['mean_confidence']:.2f}"]
    assert [line for line in lines if line.startswith("wrote")] == [f"wrote {out / name}" for name in names]
    assert " ms" in lines[-1]


def test_predict_prints_one_json_object_if_asked(
    url: str, pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *map(str, pair), "--url", url, "--out", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert Path(printed["files"]["labels"]).is_file()
    assert sum(printed["shares"].values()) == pytest.approx(1)


def test_predict_names_the_known_pipelines_in_one_line(
    url: str, pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", *map(str, pair), "--url", url, "--out", str(tmp_path), "--pipeline", "kitchens"]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "no pipeline 'kitchens'" in captured.err


def test_list_shows_every_pipeline_with_its_tensors(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--url", url]) == 0
    printed = capsys.readouterr().out
    for part in ("_image\n", "segmentation", "rgb_image BYTES [1]", "FP32 [1] (optional)", "labels_png", "summary"):
        assert part in printed


def test_a_server_of_ones_own_answers_while_it_is_needed_and_is_gone_afterwards(
    tmp_path: Path, small_repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with own_server(small_repository) as url, Predictor(url) as predictor:
        assert "rooms_small_image" in {one.name for one in predictor.pipelines()}
        assert [one.run.grpc_url for one in running_servers()] == [url]
    assert running_servers() == ()


def test_a_server_of_ones_own_that_does_not_start_says_why(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(ServerUnreachable, match=rf"^--repository {nowhere} is not a folder"), own_server(nowhere):
        pass
