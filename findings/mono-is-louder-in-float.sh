#!/usr/bin/env bash
# PyAV's AudioResampler mixes the same stereo sound to mono 3 dB louder when the samples asked for are floats.
#
# Expected: format="flt" and format="s16" give the same sound in another notation. Two equal channels at 0.5 are mixed
# to 0.5 for integers and to 0.707 for floats (5.1: to 0.5 and to 1.707, beyond full scale): libswresample scales the
# mix down so that it cannot clip only where the output is made of integers. The format of the input does not matter.
# From mono to stereo both lose 3 dB.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv av==18.1.0 numpy==1.26.4
"$python" - <<'PYTHON'
import sys

import av
from av import library_versions
import numpy as np

print(f"PyAV {av.__version__}, libswresample {'.'.join(map(str, library_versions['libswresample']))}")


def level(source, layout, sample, to):
    """Return the level of sound whose channels are all 0.5, after a resampler that changes no rate."""
    channels = np.full((av.AudioLayout(layout).nb_channels, 1024), 0.5)
    samples = (channels * 32768).astype(np.int16) if source == "s16p" else channels.astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format=source, layout=layout)
    frame.sample_rate = 16000
    (mixed,) = av.AudioResampler(format=sample, layout=to, rate=16000).resample(frame)
    array = mixed.to_ndarray()
    return round(float(array.mean()) / (32768 if array.dtype == np.int16 else 1), 3)


expected = {
    ("stereo", "mono"): {"s16": 0.5, "flt": 0.707},
    ("5.1", "mono"): {"s16": 0.5, "flt": 1.707},
    ("mono", "stereo"): {"s16": 0.354, "flt": 0.354},
}
changed = False
for (layout, to), levels in expected.items():
    for source in ("s16p", "fltp"):
        seen = {sample: level(source, layout, sample, to) for sample in levels}
        print(f"{layout} at 0.5 in {source} -> {to}:", ", ".join(f"{key} {value}" for key, value in seen.items()))
        changed |= any(abs(seen[sample] - levels[sample]) > 0.002 for sample in levels)
if changed:
    sys.exit(f"the behaviour has changed; the levels were {expected}")
PYTHON

# Seen:
#   PyAV 18.1.0, libswresample 6.3.102
#   stereo at 0.5 in s16p -> mono: s16 0.5, flt 0.707
#   stereo at 0.5 in fltp -> mono: s16 0.5, flt 0.707
#   5.1 at 0.5 in s16p -> mono: s16 0.5, flt 1.707
#   5.1 at 0.5 in fltp -> mono: s16 0.5, flt 1.707
#   mono at 0.5 in s16p -> stereo: s16 0.354, flt 0.354
#   mono at 0.5 in fltp -> stereo: s16 0.354, flt 0.354
