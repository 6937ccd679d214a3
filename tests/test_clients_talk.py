"""What a predictor says to its servers, step by step, without any."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from clients import DeadlineExceeded, PipelineUnknown, clip_question
from clients.talk import Call, Talks

CONFIG = {
    "name": "events_clip",
    "platform": "ensemble",
    "input": [{"name": "clip", "data_type": "TYPE_STRING", "dims": ["1"]}],
    "output": [],
    "parameters": {
        "crosswire": {
            "string_value": json.dumps(
                {"schema_version": 1, "network": "events", "task": "classification", "classes": [], "palette": []}
            )
        }
    },
}
ANSWERS: dict[str, Any] = {"models": ("events_clip",), "config": CONFIG}


@pytest.mark.parametrize("name", [None, "events_clip", "another"])
def test_the_deadline_of_a_question_covers_finding_its_pipeline(name: str | None) -> None:
    """The pipeline is asked for within the question's seconds, and each call has less of them than the one before."""
    talk = Talks("grpc://127.0.0.1:1", 60.0, None).ask(clip_question(b"clip", pipeline=name), deadline_s=9.0)
    left, step = [9.0], next(talk)
    with pytest.raises(PipelineUnknown):  # it answers with nothing
        while True:
            assert isinstance(step, Call)
            left.append(step.deadline_s)
            step = talk.send(ANSWERS[step.verb])
    assert len(left) == 3 + (name == "another") and left == sorted(left, reverse=True)


def test_a_question_whose_pipeline_is_found_too_late_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talks("grpc://127.0.0.1:1", 60.0, None).ask(clip_question(b"clip"), deadline_s=0.5)
    assert isinstance(next(talk), Call)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1)
    with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.5 s"):
        talk.send(ANSWERS["models"])
