#!/usr/bin/env bash
# A Matroska file that is cut short is demuxed and decoded by PyAV to its last whole packet, and nothing says so.
#
# Expected: an error, or a packet marked as damaged, where the file ends within a cluster whose size it says. An MP4 that
# is cut raises at once. Here the packets just stop: no exception, no is_corrupt, and without the sizes of the elements,
# which PyAV does not show, a reader takes half a recording for a whole one.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv av==18.1.0 numpy==1.26.4
"$python" - <<'PYTHON'
import io
import sys

import av
from av import library_versions
import numpy as np

print(f"PyAV {av.__version__}, libavformat {'.'.join(map(str, library_versions['libavformat']))}")
generator = np.random.default_rng(0)
changed = False
for name, expected in (("matroska", "packets end without a word"), ("mp4", "InvalidDataError")):
    file = io.BytesIO()
    with av.open(file, "w", format=name) as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for index in range(10):
            pixels = generator.integers(0, 255, (240, 320, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    data = file.getvalue()
    try:
        with av.open(io.BytesIO(data[: len(data) * 55 // 100])) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        silent = 0 < len(packets) < 10 and not any(packet.is_corrupt for packet in packets)
        seen = "packets end without a word" if silent else f"{len(packets)} packets"
    except av.error.FFmpegError as error:
        seen = type(error).__name__
    print(f"{name} of 10 frames, cut after 55 %: {seen}")
    changed |= seen != expected
if changed:
    sys.exit("the behaviour has changed; see the first lines")
PYTHON

# Seen:
#   PyAV 18.1.0, libavformat 62.12.102
#   matroska of 10 frames, cut after 55 %: packets end without a word
#   mp4 of 10 frames, cut after 55 %: InvalidDataError
