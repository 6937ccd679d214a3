"""Sound of any number of channels mixed to one, and resampled."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The weights of the channels add up to 1 at most: libswresample holds those of floats to nothing, so that equal
#: stereo came out 1.41 times, 5.1 up to 3.4 times as loud.
_MIX = ":ochl=mono:rematrix_maxval=1"


class MonoResampler:
    """Mixes frames of sound to one channel at one sample rate, without making it louder.

    Channels that are equal come out as one of them does: the mix is the one that players use for their layout, with
    weights that add up to 1.

    Example:
        >>> resampler = MonoResampler(16000)
        >>> pieces = [resampler.resample(frame) for frame in container.decode(audio=0)] + [resampler.flush()]
    """

    def __init__(self, rate: int) -> None:
        """Prepare.

        Args:
            rate: samples per second that come out.
        """
        self._rate = rate
        self._graph: Any = None
        self._takes: tuple[Any, ...] = ()

    def resample(self, frame: Any) -> NDArray[np.float32]:
        """Return the samples that are complete with a frame, float32 [n]; see `bounded` for those of stored floats.

        Args:
            frame: an `av.AudioFrame`; format, layout and rate may differ from those of the frame before.
        """
        takes = (frame.format.name, frame.layout.name, frame.sample_rate)
        rest = self.flush() if takes != self._takes else _NOTHING
        if self._graph is None:
            self._graph, self._takes = _graph(frame, self._rate), takes
        self._graph.push(frame)
        samples = self._pulled()
        return _joined([rest, samples]) if rest.size else samples

    def flush(self) -> NDArray[np.float32]:
        """Return the samples that are still inside, float32 [n], and begin anew."""
        if self._graph is None:
            return _NOTHING
        self._graph.push(None)
        rest = self._pulled()
        self._graph, self._takes = None, ()
        return rest

    def _pulled(self) -> NDArray[np.float32]:
        """Return what has come out of the graph, float32 [n]."""
        import av

        pieces = []
        while True:
            try:
                pieces.append(self._graph.pull().to_ndarray().reshape(-1))
            except (av.error.BlockingIOError, av.error.EOFError):
                break
        return _joined(pieces)


def bounded(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return samples, float32 [n], cut off at -1 and 1.

    Raises:
        ValueError: a sample is not a number.
    """
    if not np.isfinite(samples).all():
        raise ValueError("got samples that are no finite numbers, expected -1..1; try writing the sound anew")
    return np.clip(samples, -1, 1)


_NOTHING: NDArray[np.float32] = np.zeros(0, np.float32)


def _joined(pieces: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return pieces of samples as one."""
    return pieces[0] if len(pieces) == 1 else np.concatenate([_NOTHING, *pieces])


def _graph(frame: Any, rate: int) -> Any:
    """Return a graph that takes frames like one."""
    import av.filter

    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format,
        layout=frame.layout,
        time_base=frame.time_base or Fraction(1, frame.sample_rate),
    )
    mix = _MIX if frame.layout.nb_channels > 1 else ""  # a lone left channel is as loud as a lone middle one
    graph.link_nodes(source, graph.add("aresample", f"osr={rate}:osf=flt{mix}"), graph.add("abuffersink")).configure()
    return graph
