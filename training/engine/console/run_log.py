"""What a run says: lines on the terminal, and the same lines with their time in its folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tqdm import tqdm

TRAIN_LOG = "train.log"


class RunLog:
    """Lines that are appended to `train.log` of a run folder, and shown unless the run is quiet.

    Args:
        folder: the run folder.
        show: also on the terminal, above progress bars.
    """

    def __init__(self, folder: Path, *, show: bool = True) -> None:
        self.path = folder / TRAIN_LOG
        self.show = show

    def say(self, text: str) -> None:
        """Say one or more lines."""
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{now}  {line}\n" for line in text.splitlines())
        if self.show:
            tqdm.write(text)


def duration(seconds: float) -> str:
    """Return a time as people say it: `40 s`, `8 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
