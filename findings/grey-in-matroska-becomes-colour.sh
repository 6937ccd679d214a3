#!/usr/bin/env bash
# 16-bit grey that PyAV writes to Matroska as raw video is read back as 15-bit colour: its four-letter code is lost.
#
# Expected: what is written as gray16be is read as gray16be, or writing fails. Matroska's muxer takes raw video with the
# option allow_raw_vfw and then needs a four-letter code in the bitmap header to tell what a pixel is; for gray16be that
# is b16g, which its demuxer knows and its muxer does not. It writes 0, even where the code was set, and says nothing, so
# that the demuxer goes by the 16 bits of a pixel: rgb555le. NV12 keeps its code. BGRA loses its own without harm, as 32
# bits are taken for it. Azure Kinect's recordings hold depth in just this way, and are read rightly.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv av==18.1.0 numpy==1.26.4
"$python" - <<'PYTHON'
import io
import sys
from fractions import Fraction

import av
from av import library_versions
import numpy as np

print(f"PyAV {av.__version__}, libavformat {'.'.join(map(str, library_versions['libavformat']))}")
expected = {"gray16be": ("b16g", "rgb555le", False), "nv12": ("NV12", "nv12", True), "bgra": ("BGRA", "bgra", False)}
changed = False
for pixels, (letters, *wanted) in expected.items():
    file = io.BytesIO()
    with av.open(file, "w", format="matroska", options={"allow_raw_vfw": "1"}) as container:
        stream = container.add_stream("rawvideo", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        stream.codec_context.codec_tag = letters
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24").reformat(format=pixels)
        frame.pts, frame.time_base = 0, Fraction(1, 30)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    kept = letters.encode() in file.getvalue()
    file.seek(0)
    with av.open(file) as container:
        seen = container.streams.video[0].codec_context.pix_fmt
    print(f"written as {pixels} with the code {letters}: read as {seen}, code {'kept' if kept else 'lost'}")
    changed |= [seen, kept] != wanted
if changed:
    sys.exit(f"the behaviour has changed; expected were {expected}")
PYTHON

# Seen:
#   PyAV 18.1.0, libavformat 62.12.102
#   written as gray16be with the code b16g: read as rgb555le, code lost
#   written as nv12 with the code NV12: read as nv12, code kept
#   written as bgra with the code BGRA: read as bgra, code lost
