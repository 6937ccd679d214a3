"""`python -m tests.support.training.dying_training STEPS WORDS`: `crosswire WORDS`, killed at the end of a step.

A watcher outside cannot say in which step it kills; on a busy machine the run may end first.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from crosswire.training.__main__ import main
from crosswire.training.engine.checkpoints import RunCheckpoints


def die_after(steps: int) -> None:
    """Let this process kill itself, as a machine without power would, when it has trained so many steps."""
    left = [steps]

    def count(*_: Any, **__: Any) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    RunCheckpoints.on_train_batch_end = count  # type: ignore[method-assign]


if __name__ == "__main__":
    die_after(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
