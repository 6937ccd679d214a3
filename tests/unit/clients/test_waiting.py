"""What a batch says while it runs: how fast it is, who does not answer, and until when it asks again."""

from __future__ import annotations

import contextlib
import io
import socket
import time

import pytest

from crosswire.clients.balance import Retries
from crosswire.clients.batch.progress import Progress
from crosswire.clients.batch.waiting import Waiting
from crosswire.clients.errors import DeadlineExceeded, RequestRejectedError, ServerError, ServerUnreachable
from crosswire.clients.sync_client import Predictor


def test_progress_says_how_fast_and_how_long() -> None:
    now = [0.0]
    progress = Progress(600, 100, io.StringIO(), str, lambda: now[0])
    for _ in range(50):
        now[0] += 0.1
        progress.step(failed=False)
    progress.step(failed=True)
    assert progress.line() == "[######                  ] 151/600   25%  10.2/s  0:44 to go  1 failed"


class Terminal(io.StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


class Silent:
    """A batch whose server stays silent, on a clock that is held."""

    def __init__(self, shown: io.StringIO) -> None:
        """Begin with a question that is asked for an hour at most."""
        self.now = [100.0]
        self.waiting = Waiting("grpc://here:1", 3600.0, lambda: self.now[0], lambda: self.now[0])
        self.progress = Progress(10, 0, shown, self.waiting.news, lambda: self.now[0])

    def wait(self, seconds: int) -> None:
        """Let so many seconds pass, and look out in every one of them."""
        for _ in range(seconds):
            self.now[0] += 1
            self.progress.check()


def clock_of(seconds: float) -> str:
    """Return a time of day as a batch tells it."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_a_batch_that_loses_its_server_says_so_and_until_when_it_asks_again(kind: type[io.StringIO]) -> None:
    shown = kind()
    silent = Silent(shown)
    with silent.waiting.asking():
        silent.now[0] += 1
        silent.waiting.heard(ServerUnreachable("no server answers at grpc://here:1 (refused); check that it runs"))
        silent.wait(3)
        end = clock_of(100.0 + 3600)
        wanted = (
            f"no server answers at grpc://here:1 (refused): asking again until {end}; the batch goes on by itself when "
            "a response comes"
        )
        assert shown.getvalue().count(wanted) == 1
        silent.wait(3500)
        told = shown.getvalue().count(wanted)
        assert 60 <= told <= 70, "about once a minute"
        silent.waiting.heard(None)
        silent.wait(1)
    assert "grpc://here:1 answers again after 3504 s" in shown.getvalue()
    silent.wait(100)
    assert shown.getvalue().count(wanted) == told, "nobody waits any more"


def test_a_server_that_takes_a_question_and_keeps_silent_is_named_too() -> None:
    shown = io.StringIO()
    silent = Silent(shown)
    for _ in range(2):
        with contextlib.suppress(RequestRejectedError), silent.waiting.asking():
            silent.wait(2)
            raise RequestRejectedError("no")
    assert shown.getvalue() == "", "a refusal is an answer"
    with contextlib.suppress(DeadlineExceeded), silent.waiting.asking():
        end = clock_of(silent.now[0] + 3600)
        silent.wait(4)
        raise DeadlineExceeded("late")
    with silent.waiting.asking():
        silent.wait(1)
        silent.waiting.heard(None)
        silent.wait(1)
    said = [line for line in shown.getvalue().splitlines() if not line.startswith("[")]
    assert said == [
        f"no response from grpc://here:1 for 3 s; waiting until {end}", "grpc://here:1 answers again after 5 s"
    ]  # fmt: skip


def test_progress_looks_out_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("crosswire.clients.batch.progress._LOOK_S", 0.01)
    with Progress(10, 0, shown, lambda: "news"):
        while "news" not in shown.getvalue():
            time.sleep(0.01)
    assert shown.getvalue().splitlines()[-1].startswith("[      ")


def test_retries_tell_of_every_attempt_that_nobody_answered() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        heard: list[ServerError | None] = []
        retries = Retries(attempts=3, first_pause_s=0.001, longest_pause_s=0.001, heard=heard.append)
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Predictor(url, retries=retries) as predictor, pytest.raises(ServerUnreachable):
            predictor.pipelines()
    assert [type(error) for error in heard] == [ServerUnreachable] * 3
