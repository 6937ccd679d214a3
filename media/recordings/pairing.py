"""Colour and depth of one recording become pairs while it is read, by their time stamps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

from crosswire.media.recordings.recording import Images, RecordedFrame, RecordingError, read_frame

T = TypeVar("T")
Kind = Literal["colour", "depth"]
#: How far a file may be written out of order, nanoseconds; what is older has no partner.
PATIENCE_NS = 2_000_000_000


@dataclass(frozen=True)
class Stamped(Generic[T]):
    """An image of one sensor, not decoded yet.

    Attributes:
        kind: which sensor.
        stamp_ns: when it was taken, nanoseconds.
        payload: what it can be decoded from.
    """

    kind: Kind
    stamp_ns: int
    payload: T


class Pairing(Generic[T]):
    """Pairs of the images of two sensors, each of which is the other's closest.

    Images of one sensor come in the order of time, those of the other may come earlier or later by as much as a file
    was written out of order. A colour image waits until no depth image can be closer, so that no more than what lies
    between waits in memory.

    Attributes:
        unmatched: images that have had no partner so far.
        paired: pairs so far.
    """

    def __init__(self, longest_gap_ns: int) -> None:
        """Begin.

        Args:
            longest_gap_ns: pairs lie closer than this or exactly so far.
        """
        self._gap = longest_gap_ns
        self._colours: deque[Stamped[T]] = deque()
        self._depths: deque[Stamped[T]] = deque()
        self.unmatched = 0
        self.paired = 0

    def pairs(self, images: Iterable[Stamped[T]]) -> Iterator[tuple[Stamped[T], Stamped[T]]]:
        """Yield colour and depth of each pair, in the order of time.

        Raises:
            RecordingError: raised by the images; the pairs of those before it come first.
        """
        damage: RecordingError | None = None
        try:
            for image in images:
                yield from self._pairs_with(image)
        except RecordingError as error:
            damage = error
        yield from self._rest()
        if damage is not None:
            raise damage

    def frames(
        self, images: Iterable[Stamped[T]], start: int, read: Callable[[int, T, T], Images]
    ) -> Iterator[RecordedFrame]:
        """Yield the pairs from one on as frames.

        Args:
            images: of both sensors.
            start: place of the first frame; the images of those before are not read.
            read: decodes colour and depth of the frame at a place.

        Raises:
            FrameError: the images of a pair are damaged.
            RecordingError: raised by the images.
        """
        first = 0
        for index, (colour, depth) in enumerate(self.pairs(images)):
            first = first if index else colour.stamp_ns
            if index >= start:
                stamps = colour.stamp_ns, depth.stamp_ns
                decoded = partial(read, index, colour.payload, depth.payload)
                yield read_frame(index, (colour.stamp_ns - first) / 1e9, stamps, decoded)

    def _pairs_with(self, image: Stamped[T]) -> Iterator[tuple[Stamped[T], Stamped[T]]]:
        """Yield the pairs that are decided by one more image."""
        waiting = self._colours if image.kind == "colour" else self._depths
        if waiting and image.stamp_ns < waiting[-1].stamp_ns - PATIENCE_NS:
            yield from self._rest()  # the clock was set back
        waiting.append(image)
        newest = max(waiting[-1].stamp_ns for waiting in (self._colours, self._depths) if waiting)
        while self._colours and self._depths and self._decidable(newest):
            yield from self._first()
        self._forget(newest - PATIENCE_NS - self._gap)

    def _rest(self) -> Iterator[tuple[Stamped[T], Stamped[T]]]:
        """Decide about all that waits: nothing more comes that belongs to it."""
        while self._colours and self._depths:
            yield from self._first()
        self.unmatched += len(self._colours) + len(self._depths)
        self._colours.clear()
        self._depths.clear()

    def _forget(self, before_ns: int) -> None:
        """Give up what waits for a sensor that has stopped: no more than `PATIENCE_NS` of the other one is kept."""
        for waiting, other in ((self._colours, self._depths), (self._depths, self._colours)):
            while waiting and not other and waiting[0].stamp_ns < before_ns:
                waiting.popleft()
                self.unmatched += 1

    def _decidable(self, newest_ns: int) -> bool:
        """Say whether nothing that may still come changes the first pair: both sensors have gone beyond it."""
        colour, depth = self._colours[0], self._depths[0]
        if abs(colour.stamp_ns - depth.stamp_ns) > self._gap:
            return True  # the earlier of the two has no partner
        later = max(colour.stamp_ns, depth.stamp_ns)
        if newest_ns - later > PATIENCE_NS:
            return True
        return self._colours[-1].stamp_ns > later and self._depths[-1].stamp_ns > later

    def _first(self) -> Iterator[tuple[Stamped[T], Stamped[T]]]:
        """Decide what the earliest images are: a pair, or one of them alone."""
        colour, depth = self._colours[0], self._depths[0]
        gap = abs(colour.stamp_ns - depth.stamp_ns)
        closer_depth = len(self._depths) > 1 and abs(self._depths[1].stamp_ns - colour.stamp_ns) < gap
        closer_colour = len(self._colours) > 1 and abs(self._colours[1].stamp_ns - depth.stamp_ns) < gap
        if gap <= self._gap and not closer_depth and not closer_colour:
            self.paired += 1
            yield self._colours.popleft(), self._depths.popleft()
            return
        self.unmatched += 1
        (self._colours if colour.stamp_ns < depth.stamp_ns else self._depths).popleft()
