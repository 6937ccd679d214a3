"""Damaged files and requests by the hundred to the real server, and damaged recordings: `make soak`.

The ordinary tests leave this file out.
`CROSSWIRE_FUZZ_INPUTS=20000` sends as many damaged files instead of 600, `CROSSWIRE_FUZZ_SEED` others.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import builds, sampled_from

from crosswire.media.recordings import RecordingError, open_recording
from crosswire.serving.config.limits import ImageLimits
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.process_table import is_running
from crosswire.serving.steps.media.containers import container_of
from crosswire.serving.steps.media.images import COLOUR_FORMATS, ImageError, open_image
from crosswire.serving.steps.media.registered import open_depth
from tests.support.hostile.mutations import KINDS, Damaged, damaged
from tests.support.recordings.damaged import WRITERS, write_damaged
from tests.support.servers.real import depth_png, jpeg, png, resident_bytes
from tests.support.small_clips import clip

INPUTS = int(os.environ.get("CROSSWIRE_FUZZ_INPUTS", "600"))
SEED = int(os.environ.get("CROSSWIRE_FUZZ_SEED", "1"))
#: Decoders keep of their heap what the most demanding file so far took, about 45 MiB each in the end.
WARM_UP = max(350, INPUTS // 5)
LONGEST_S, MOST_GROWTH, LEAST_PAST_HEADER = 5.0, 64 << 20, 0.3
PARTS = 10
EXAMPLES = 40

Outcome = tuple[int, bytes, float]
"""Status, body and seconds of a response; status 0 where the connection broke or the time was over."""
Judge = Callable[[Damaged, Outcome], str]


@dataclass
class Campaign:
    """What came of a run.

    Attributes:
        statuses: how often each came, by kind of file.
        past_header: how many files got past the first look at their header, by kind.
        faults: what was wrong, with what makes the file again.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    past_header: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __add__(self, more: Campaign) -> Campaign:
        """Return what came of both."""
        return Campaign(
            self.statuses + more.statuses, self.past_header + more.past_header, [*self.faults, *more.faults]
        )


def is_well_behaved(_: Damaged, outcome: Outcome) -> str:
    """Say what is wrong with a response, or nothing: a file is answered or refused in words, and in time."""
    status, body, seconds = outcome
    if status == 0 or seconds > LONGEST_S:
        return f"no response within {seconds:.1f} s: {body[:200]!r}"
    if status not in (200, 400):
        return f"status {status}: {body[:300]!r}"
    try:
        answer = json.loads(body)
    except ValueError:
        return f"status {status} without JSON: {body[:200]!r}"
    if status == 400 and not 10 < len(answer.get("error", "")) < 1500:
        return f"refused without a reason: {body[:200]!r}"
    return ""


def pipelines(server: EmbeddedServer) -> dict[str, tuple[str, dict[str, bytes]]]:
    """Return path and whole files of the pipelines that take pairs and clips, by the name of a part."""
    described = httpx.get(f"{server.http_url}/v1/pipelines", timeout=60).json()["pipelines"]
    found: dict[str, tuple[str, dict[str, bytes]]] = {}
    for files in ({"rgb": jpeg(40, 30), "depth": depth_png(40, 30)}, {"clip": clip(seconds=0.5)}):
        (name,) = (one["name"] for one in described if set(files) <= {part["field"] for part in one["inputs"]})
        found |= {part: (f"/v1/pipelines/{name}", files) for part in files}
    return found


def gets_past_header(file: Damaged) -> bool:
    """Say whether the server's first look at a file finds nothing: what is wrong then is for a decoder to find.

    It takes no TIFF: clients and data sets read that.
    """
    try:
        if file.part == "clip":
            container_of(file.data, file.part)
        elif file.part == "depth":
            open_depth(file.data, file.part, ImageLimits())
        else:
            open_image(file.data, file.part, ImageLimits(), COLOUR_FORMATS)
    except ImageError:
        return False
    return True


def send(client: httpx.Client, path: str, files: dict[str, bytes]) -> Outcome:
    """Send a form."""
    began = time.monotonic()
    try:
        response = client.post(path, files=files)
    except httpx.HTTPError as error:
        return 0, repr(error).encode(), time.monotonic() - began
    return response.status_code, response.content, time.monotonic() - began


def fuzz(server: EmbeddedServer, numbers: range, judge: Judge) -> Campaign:
    """Send damaged files, one after the other, and judge every response."""
    campaign, ways = Campaign(), pipelines(server)
    with httpx.Client(base_url=server.http_url, timeout=2 * LONGEST_S) as client:
        for number in numbers:
            file = damaged(SEED, number)
            path, whole = ways[file.part]
            outcome = send(client, path, {**whole, file.part: file.data})
            campaign.statuses[file.kind, outcome[0]] += 1
            campaign.past_header[file.kind] += gets_past_header(file)
            if wrong := judge(file, outcome):
                campaign.faults.append(f"{file}: {wrong}")
    return campaign


def assert_whole_files_are_answered(server: EmbeddedServer) -> None:
    """Fail unless every pipeline still answers."""
    with httpx.Client(base_url=server.http_url, timeout=60) as client:
        for path, files in pipelines(server).values():
            assert send(client, path, files)[0] == 200, path


@pytest.mark.timeout(7200)
def test_damaged_files_are_answered_or_refused_and_nothing_grows(small: EmbeddedServer) -> None:
    assert_whole_files_are_answered(small)
    fuzz(small, range(INPUTS, INPUTS + WARM_UP), is_well_behaved)
    triton, before = small.facts["triton_pid"], resident_bytes(small)
    campaign, sizes = Campaign(), []
    for part in range(PARTS):
        campaign += fuzz(small, range(INPUTS * part // PARTS, INPUTS * (part + 1) // PARTS), is_well_behaved)
        sizes.append(resident_bytes(small) - before)
    grown = sizes[-1]
    share = sum(campaign.past_header.values()) / INPUTS
    print(f"{INPUTS} files, seed {SEED}: {share:.0%} past the header check, grown by {grown >> 20} MiB")
    print(f"grown after each tenth, MiB: {[size >> 20 for size in sizes]}")
    print({kind: {s: n for (k, s), n in sorted(campaign.statuses.items()) if k == kind} for kind in KINDS})
    print(dict(campaign.past_header))
    assert campaign.faults == [], "\n".join(campaign.faults[:20])
    assert share >= LEAST_PAST_HEADER
    assert grown < MOST_GROWTH
    assert is_running(triton), "the network's server was replaced"
    assert_whole_files_are_answered(small)


@pytest.mark.parametrize("kind", ["png", "mp4", "avi"])
def test_a_planted_fault_is_reported_with_what_makes_it_again(kind: str, small: EmbeddedServer) -> None:
    def planted(file: Damaged, outcome: Outcome) -> str:
        """Hold every refusal of one kind of file to be a fault, and nothing else."""
        return "planted" if file.kind == kind and outcome[0] == 400 else ""

    campaign = fuzz(small, range(70), planted)
    assert len(campaign.faults) == campaign.statuses[kind, 400] > 0
    assert all(f": {kind} of " in fault and fault.endswith("planted") for fault in campaign.faults)
    seed, number = map(int, campaign.faults[0].partition("(")[2].partition(")")[0].split(","))
    assert campaign.faults[0].startswith(str(damaged(seed, number)))


@pytest.mark.parametrize("outcome", [(500, b"{}", 0.1), (0, b"", 9.0), (200, b"{}", 6.0), (400, b"{}", 0.1)])
def test_what_must_not_come_is_a_fault(outcome: Outcome) -> None:
    assert is_well_behaved(damaged(1, 0), outcome)
    assert is_well_behaved(damaged(1, 0), (200, b"x", 0.1)) and not is_well_behaved(damaged(1, 0), (200, b"{}", 0.1))


@pytest.mark.timeout(1800)
def test_requests_made_from_the_openapi_document_are_answered_as_it_says(small: EmbeddedServer) -> None:
    statuses: Counter[tuple[str, int]] = Counter()

    def count(context: Any, response: Any, case: Any) -> None:
        """Count a response; a check that never fails."""
        statuses[case.operation.method, response.status_code] += 1

    conformance = import_module("schemathesis.specs.openapi.checks")
    checks = [count, import_module("schemathesis.checks").not_a_server_error]
    checks += [conformance.status_code_conformance, conformance.content_type_conformance]
    checks += [conformance.response_schema_conformance]
    ask_as_described(small, checks)
    print(dict(statuses))
    assert statuses["get", 200] >= 6 and statuses["post", 400] > EXAMPLES
    assert statuses["post", 200] > EXAMPLES, "right requests with whole files are answered"
    assert_whole_files_are_answered(small)


def test_a_response_that_is_not_as_described_is_reported(small: EmbeddedServer) -> None:
    def planted(context: Any, response: Any, case: Any) -> None:
        """Hold every refusal to be a fault."""
        assert response.status_code < 400, "planted"

    with pytest.raises(import_module("schemathesis.core.failures").FailureGroup) as error:
        ask_as_described(small, [planted])
    assert ["planted" in str(one) for one in error.value.exceptions] == [True]


def ask_as_described(server: EmbeddedServer, checks: list[Callable[[Any, Any, Any], Any]]) -> None:
    """Send requests that are drawn from what the server says of itself, right ones and, to pipelines, wrong ones."""
    schemathesis = import_module("schemathesis")
    schema = schemathesis.openapi.from_url(f"{server.http_url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 9
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    for operation in operations:
        for mode in modes if operation.method == "post" else modes[:1]:
            _ask(operation.as_strategy(generation_mode=mode), checks)
        if operation.method == "post":
            right = operation.as_strategy(generation_mode=modes[0])
            _ask(builds(with_whole_files, right, sampled_from((1, 2, 5))), checks)


def with_whole_files(case: Any, scale: int) -> Any:
    """Put whole files of one view into the parts of a form, which is drawn as bytes of any kind."""
    width, height = 40 * scale, 30 * scale
    files = {"rgb": jpeg(width, height), "depth": depth_png(width, height), "clip": clip(seconds=0.5 * scale)}
    parts = case.operation.body[0].definition["schema"]["properties"]
    is_file = {name: part.get("format") == "binary" for name, part in parts.items()}
    case.body = {
        name: files.get(name, png(width, height)) if is_file[name] else value for name, value in case.body.items()
    }
    return case


def _ask(cases: Any, checks: list[Callable[[Any, Any, Any], Any]]) -> None:
    """Send some of the requests that a strategy draws; fail on the first response that a check refuses."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: Any) -> None:
        case.call_and_validate(checks=checks, timeout=60)

    ask()


@pytest.mark.parametrize("kind", WRITERS)
def test_a_damaged_recording_is_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    """The ordinary tests read a few of each format."""
    refused = 0
    for number in range(INPUTS // 3):
        begin = time.monotonic()
        try:
            with open_recording(write_damaged(kind, tmp_path / str(number), SEED, number)) as recording:
                for frame in recording:
                    assert (frame.depth.ndim, frame.rgb.ndim) == (2, 3)
        except RecordingError as error:
            refused += 1
            assert "\n" not in str(error), (kind, number)
        assert time.monotonic() - begin < 2 * LONGEST_S, (kind, number)
    assert refused > 0
