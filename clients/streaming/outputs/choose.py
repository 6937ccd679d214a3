"""Which files a stream leaves: options, checks before anything is asked, and all writers as one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crosswire.clients.errors import InputError
from crosswire.clients.streaming.outputs.cloud import COLOURS, CloudWriter
from crosswire.clients.streaming.outputs.frame import LabelledFrame, ResultWriter, StreamFacts
from crosswire.clients.streaming.outputs.rerun import RerunWriter, check_rerun
from crosswire.clients.streaming.outputs.ros import RosWriter, check_mcap
from crosswire.clients.streaming.outputs.table import TableWriter, check_table
from crosswire.clients.streaming.outputs.video import OverlayVideo
from crosswire.clients.streaming.video import check_video


@dataclass(frozen=True)
class Outputs:
    """Files that a stream leaves; None leaves one out.

    Attributes:
        video: overlays, `.mp4`, `.mkv`, `.mov` or `.m4v`.
        mcap: labels as a ROS 2 recording, `.mcap`.
        cloud: a folder for a labelled point cloud per frame, PLY.
        rerun: a recording for the Rerun viewer, `.rrd`.
        table: a row per frame, `.csv`, `.jsonl` or `.parquet`.
        cloud_colours: of points: `"classes"` or `"image"`.
    """

    video: Path | None = None
    mcap: Path | None = None
    cloud: Path | None = None
    rerun: Path | None = None
    table: Path | None = None
    cloud_colours: str = COLOURS[0]

    def __post_init__(self) -> None:
        """Check what can be known before the recording is open: names of files, and packages.

        Raises:
            InputError: one of them cannot be written here.
        """
        for path, check in (
            (self.video, check_video),
            (self.mcap, check_mcap),
            (self.rerun, check_rerun),
            (self.table, check_table),
        ):
            if path is not None:
                check(path)
        named = self._named
        if len(set(named)) < len(named):
            raise InputError(f"got one name for two outputs: {', '.join(map(str, named))}; name each otherwise")

    @property
    def _named(self) -> list[Path]:
        """All files and folders, as the system calls them."""
        return [path.resolve() for path in (self.video, self.mcap, self.cloud, self.rerun, self.table) if path]

    def check_others(self, source: Path, report: Path | None) -> None:
        """Raise `InputError` where a file would be written over what is read, or over another one.

        Args:
            source: what is read, a file or a folder.
            report: what is written beside the outputs, or None.
        """
        named = self._named if report is None else [*self._named, report.resolve()]
        if report is not None and report.resolve() in self._named:
            raise InputError(f"got one name for two outputs: {report}; name each otherwise")
        read = source.resolve()
        for path in named:
            if path == read or (path.is_file() and read.is_dir() and read in path.parents):
                raise InputError(f"{path} is what is read; name another file for the output")

    @property
    def confident(self) -> bool:
        """Whether the server is to be asked how certain each label is."""
        return any((self.mcap, self.cloud, self.rerun))

    @property
    def metric(self) -> bool:
        """Whether depth in metres is written."""
        return any((self.cloud, self.rerun))

    def open(self, facts: StreamFacts) -> ResultWriter:
        """Open all of them.

        Args:
            facts: what is known of the stream.

        Returns:
            One writer that writes them all.

        Raises:
            InputError: one needs what the recording does not have.
            OutputError: one cannot be written.
        """
        makers: list[Callable[[], ResultWriter]] = []
        if (video := self.video) is not None:
            makers.append(lambda: OverlayVideo(video, facts))
        if (mcap := self.mcap) is not None:
            makers.append(lambda: RosWriter(mcap, facts))
        if (cloud := self.cloud) is not None:
            makers.append(lambda: CloudWriter(cloud, facts, self.cloud_colours))
        if (rerun := self.rerun) is not None:
            makers.append(lambda: RerunWriter(rerun, facts))
        if (table := self.table) is not None:
            makers.append(lambda: TableWriter(table))
        return _All(makers)


class _All(ResultWriter):
    """Writes every frame with all writers."""

    def __init__(self, makers: Sequence[Callable[[], ResultWriter]]) -> None:
        """Open them; none stays open where one cannot be opened."""
        with contextlib.ExitStack() as opened:
            self._writers = [opened.enter_context(make()) for make in makers]
            self._opened = opened.pop_all()

    def add(self, frame: LabelledFrame) -> None:
        """Write one frame with all of them."""
        for writer in self._writers:
            writer.add(frame)

    def close(self) -> None:
        """Complete all files, the others where one fails, too."""
        self._opened.close()
