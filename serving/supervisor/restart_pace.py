"""How long to wait before a part that failed is started again."""

from __future__ import annotations

import time
from collections.abc import Callable

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_SETTLED_SECONDS = 60.0


class RestartPace:
    """No pause before the first start, then a second, and twice as long with every start until one holds.

    A part that answered for a minute before it failed begins anew.

    Attributes:
        pause: seconds to wait before the next start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a part that answers.

        Args:
            clock: seconds that only grow.
        """
        self._clock = clock
        self._answers_since = clock()
        self.pause = 0.0

    def failed(self) -> None:
        """Note that the part answered until now and no longer does."""
        if self._clock() - self._answers_since > _SETTLED_SECONDS:
            self.pause = 0.0

    def starts(self) -> None:
        """Note that it is started again."""
        self.pause = min(max(_FIRST_PAUSE_SECONDS, 2 * self.pause), _LONGEST_PAUSE_SECONDS)

    def answers(self) -> None:
        """Note that it answers."""
        self._answers_since = self._clock()
