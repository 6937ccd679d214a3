"""`predict_folder`: a folder of inputs to a folder of results; called again, it goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from crosswire.clients.balance import Retries
from crosswire.clients.batch.run import WINDOW, BatchOptions, BatchOutcome, run_batch
from crosswire.clients.batch.waiting import Waiting
from crosswire.clients.inputs.recordings import AUTO, LONGEST_GAP_S, Pairing
from crosswire.clients.own_server import REPOSITORY, server_at
from crosswire.clients.pipelines import check_takes_files
from crosswire.clients.recorded.open import RecordedOptions, travels
from crosswire.clients.sync_client import TIMEOUT_S, Predictor

_PATIENT = Retries(attempts=1_000_000, first_pause_s=0.2, longest_pause_s=2.0)  # until the timeout


def predict_folder(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    url: str | Sequence[str] | None = None,
    *,
    pipeline: str | None = None,
    overlay: bool = False,
    depth_units_per_metre: float | None = None,
    window: int = WINDOW,
    longest_gap_s: float = LONGEST_GAP_S,
    offset: float | str = 0.0,
    stamp_unit: str = AUTO,
    recorded: RecordedOptions | None = None,
    again: bool = False,
    progress: IO[str] | None = None,
    timeout: float = TIMEOUT_S,
    api_key: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    repository: str | os.PathLike[str] = REPOSITORY,
) -> BatchOutcome:
    """Ask about every item of a folder and keep every result; the command `crosswire batch`.

    A server that is full or gone is asked again until the timeout of the item is over. What began and how it ended goes
    to a log in the folder: after any kind of end, the same call goes on and asks again at most what was in flight. An
    item that the server refused is asked about again once its files change.

    Example:
        >>> outcome = predict_folder("frames", "labelled", "grpc://127.0.0.1:8001", overlay=True)
        >>> outcome.done, outcome.failed
        (600, 2)

    Args:
        source: folder with one folder per input (`rgb/` and `depth/`, equal stems), a recording in TUM's layout, a
            folder of clips, all of them also in sub-folders, or a list file, see `crosswire.clients.batch.items`; or
            any recording of `open_recording`, or a folder of them.
        folder: where to write `<kind>/STEM.png` per image, `results.jsonl` and `failures.jsonl`; made if needed.
        url: one address or several, see `Predictor`; None starts a server for this call.
        pipeline: whom to ask, or None for the only one of the server.
        overlay: whether overlays are written too.
        depth_units_per_metre: what one metre counts in depth images; None means what the layout says, else the
            source's `manifest.json`, else the network's training data, else 1000.
        window: most requests in flight.
        longest_gap_s: how far the time stamps of a recording's pair may lie apart, seconds.
        offset: of a folder in TUM's layout: seconds that are added to the stamps of depth, or `"auto"`.
        stamp_unit: what stamps count: `"s"`, `"ms"`, `"us"`, `"ns"`, or `"auto"` for what they look like.
        recorded: of recordings: topics, whether depth is moved into the colour camera; of folders, too, the camera.
        again: whether every item that failed is asked about again, even if its files are what they were.
        progress: where progress is shown, for example `sys.stderr`; None shows none.
        timeout: seconds that one item may take, all attempts together.
        api_key: see `Predictor`.
        ca: see `Predictor`.
        repository: without `url`, the exported networks to serve.

    Raises:
        InputError: the source holds nothing for the pipeline, the folder another batch, or a number makes no sense.
        RecordingError: a recording cannot be read at all; one that breaks off is a failure among the others.
        OutputError: the folder cannot be written to.
        ServerError: the server cannot be asked, or nobody answers any more; what was done stays done.
    """
    pairing = Pairing(longest_gap_s, offset, stamp_unit)
    reading = (recorded or RecordedOptions()).given(depth_units_per_metre, longest_gap_s)
    options = BatchOptions(overlay, window, pairing, reading, again)
    with server_at(url, repository) as place:
        options = replace(options, compress=travels(place))
        with Predictor(place, timeout=timeout, api_key=api_key, ca=ca) as once:  # who never answered is not waited for
            check_takes_files(found := once.named_pipeline(pipeline))
        waiting = Waiting(place.replace(",", " or "), timeout)
        patient = replace(_PATIENT, heard=waiting.heard)
        with Predictor(place, timeout=timeout, retries=patient, api_key=api_key, ca=ca) as predictor:
            return run_batch(predictor, found, Path(source), Path(folder), options, waiting, progress)
