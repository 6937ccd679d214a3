"""The pace of a stream in virtual time: when frames arrive, which are dropped, and how old answers are."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from crosswire.clients import AsyncPredictor
from crosswire.clients.recorded.ahead import AHEAD
from crosswire.clients.recorded.pairs import RecordedPair, Registration
from crosswire.clients.streaming.frames import Frame
from crosswire.clients.streaming.run import FrameOutcome, Mode, StreamOptions, run_stream
from crosswire.media.recordings.recording import Fact, RecordedFrame, RecordingError
from tests.support.servers.real import depth_png, jpeg
from tests.support.servers.scripted_server import PIPELINE, SIZE, ScriptedServer
from tests.support.virtual_time import run_virtually, virtual_loop

MOMENTS = (0.0, 0.1, 0.15, 0.45, 0.5, 0.55, 0.6, 1.0)


@pytest.fixture
def frames(tmp_path: Path) -> list[Frame]:
    """Frames of a recording whose camera does not tick evenly."""
    rgb, depth = tmp_path / "rgb.jpg", tmp_path / "depth.png"
    rgb.write_bytes(jpeg(*SIZE))
    depth.write_bytes(depth_png(*SIZE))
    return [Frame(index, str(moment), moment, rgb, depth) for index, moment in enumerate(MOMENTS)]


class Played:
    """A stream that was played to a scripted server, from the virtual moment 0 on."""

    def __init__(
        self, frames: Iterable[Frame], server: ScriptedServer, options: StreamOptions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(AsyncPredictor, "_open_transport", lambda *_: server)
        self.frames, self.seen = frames, list[FrameOutcome]()
        self.delivered: list[int] = []
        self.ended = run_virtually(self._play(options))

    async def _play(self, options: StreamOptions) -> float:
        async with AsyncPredictor("grpc://127.0.0.1:1") as predictor:
            await run_stream(predictor, PIPELINE, self.frames, options, self._deliver, self.seen)
        return virtual_loop().time()

    def _deliver(self, outcome: FrameOutcome) -> None:
        assert outcome.result is not None
        self.delivered.append(outcome.frame.index)

    @property
    def arrived(self) -> list[float]:
        """When every frame came."""
        return [one.arrived for one in self.seen]

    @property
    def latencies(self) -> list[float | None]:
        """How old every answer was, in milliseconds."""
        return [None if one.latency_ms is None else round(one.latency_ms, 6) for one in self.seen]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_frames_arrive_at_the_recorded_pace_or_a_multiple_of_it(
    speed: float, mode: Mode, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(frames, ScriptedServer(0.001), StreamOptions(mode, speed), monkeypatch)
    assert played.arrived == pytest.approx([moment / speed for moment in MOMENTS])
    assert played.latencies == [1.0] * len(frames) and played.delivered == list(range(len(frames)))
    assert played.ended == pytest.approx(MOMENTS[-1] / speed + 0.001)


def test_frames_that_come_too_fast_wait_in_a_queue_and_grow_old(
    frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(frames, ScriptedServer(0.2), StreamOptions(Mode.QUEUE), monkeypatch)
    assert played.arrived == pytest.approx(list(MOMENTS)) and not any(one.dropped for one in played.seen)
    assert played.latencies == pytest.approx([200, 300, 450, 350, 500, 650, 800, 600])
    assert played.delivered == list(range(len(frames)))


def test_a_full_queue_lets_the_source_wait(frames: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(frames, ScriptedServer(1.0), StreamOptions(Mode.QUEUE, window=1, waiting=1), monkeypatch)
    assert played.arrived == pytest.approx([0.0, 0.1, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert max(one.latency_ms or 0 for one in played.seen) == pytest.approx(2000), "two requests take that long"


def test_without_a_pace_frames_come_as_fast_as_they_are_taken(
    frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(frames, ScriptedServer(0.1), StreamOptions(speed=0.0, window=1, waiting=2), monkeypatch)
    assert played.ended == pytest.approx(0.1 * len(frames)) and played.delivered == list(range(len(frames)))


def test_only_the_newest_frame_waits_where_others_may_be_dropped(
    frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(frames, ScriptedServer(0.2), StreamOptions(Mode.DROP, window=1), monkeypatch)
    assert [one.frame.index for one in played.seen if one.dropped] == [1, 4, 5]
    assert played.latencies == pytest.approx([200, None, 250, 200, None, None, 250, 200])
    assert played.delivered == [0, 2, 3, 6, 7]


class Recorded:
    """Frames of a recording that are made when they are asked for, and how many of them are in memory at once."""

    def __init__(self, count: int, step_s: float, error: Exception | None = None) -> None:
        self.count, self.step_s, self.error = count, step_s, error
        self.most = 0
        self._here = weakref.WeakSet[RecordedFrame]()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames."""
        as_it_is = Registration(None, Fact("sent", "depth as it is", "a test"))
        for index in range(self.count):
            depth = np.full(SIZE[::-1], 1.5, np.float32)
            stamp = round(1e9 * index * self.step_s)
            one = RecordedFrame(index, index * self.step_s, stamp, stamp, jpeg(*SIZE), depth)
            self._here.add(one)
            self.most = max(self.most, len(self._here))
            yield Frame.of(RecordedPair(one, as_it_is))
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("mode", Mode)
def test_of_a_recording_of_any_length_a_few_frames_are_in_memory(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(400, 0.01)
    options = StreamOptions(mode, window=2, waiting=3)
    played = Played(recorded, ScriptedServer(0.02), options, monkeypatch)
    assert len(played.seen) == 400 and all(one.frame.pair is None for one in played.seen)
    assert recorded.most <= AHEAD + 2 * (options.window + options.waiting) + 3
    done = [one.frame.index for one in played.seen if not one.dropped]
    assert played.delivered == done and (len(done) == 400 if mode is Mode.QUEUE else 150 < len(done) < 300)


def test_what_came_before_a_damaged_place_is_delivered_first(monkeypatch: pytest.MonkeyPatch) -> None:
    delivered: list[int] = []
    monkeypatch.setattr(Played, "_deliver", lambda _, outcome: delivered.append(outcome.frame.index))
    with pytest.raises(RecordingError, match="cut here"):
        Played(Recorded(7, 0.01, RecordingError("cut here")), ScriptedServer(0.1), StreamOptions(), monkeypatch)
    assert delivered == list(range(7))


def test_frames_of_a_camera_are_taken_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = itertools.islice(Recorded(1000, 3600.0), 5)
    played = Played(frames, ScriptedServer(0.01), StreamOptions(paced=False), monkeypatch)
    assert played.ended < 1 and played.delivered == list(range(5))
