#!/usr/bin/env bash
# PyAV's frame.rotation says -180 for a video that is mirrored left to right and not rotated at all.
#
# Expected: a mirror is no rotation, so a mirrored video has rotation 0 and turning its frames by frame.rotation leaves
# them upright. Mirrored left to right it is -180, which turns an upright selfie upside down; mirrored top to bottom it
# is 0, as if nothing were to be done. The angle is that of the display matrix's first row, and a mirror shows only in
# the matrix's determinant. PyAV's own set_display_rotation(0, hflip=True) is read back as -180.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv av==18.1.0 numpy==1.26.4
"$python" - <<'PYTHON'
import io
import sys

import av
from av import library_versions
import numpy as np

print(f"PyAV {av.__version__}, libavutil {'.'.join(map(str, library_versions['libavutil']))}")


def read_back(degrees, **mirrored):
    """Return rotation and display matrix (its 2 x 2 part) of the first frame of a video that is stored this way."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(degrees, **mirrored)
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 64, 3), np.uint8), format="rgb24").reformat(format="yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        frame = next(container.decode(video=0))
        pieces = [frame.side_data[place] for place in range(len(frame.side_data))]
        matrices = [bytes(piece) for piece in pieces if piece.type.name == "DISPLAYMATRIX"]
        matrix = np.frombuffer(matrices[0], np.int32)[[0, 1, 3, 4]] // 65536 if matrices else None
        return frame.rotation, matrix if matrix is None else matrix.tolist()


expected = [(0, 0, -180, 0, -180), (90, 90, 90, -90, -90), (180, -180, 0, -180, 0)]
changed = False
for degrees, *rotations in expected:
    for mirrors, rotation in zip(({}, {"hflip": True}, {"vflip": True}, {"hflip": True, "vflip": True}), rotations):
        seen, matrix = read_back(degrees, **mirrors)
        print(f"stored with {degrees} {' '.join(mirrors) or 'unmirrored'}: frame.rotation {seen}, matrix {matrix}")
        changed |= seen != rotation
if changed:
    sys.exit(f"the behaviour has changed; the rotations were {expected}")
PYTHON

# Seen:
#   PyAV 18.1.0, libavutil 60.26.102
#   stored with 0 unmirrored: frame.rotation 0, matrix None
#   stored with 0 hflip: frame.rotation -180, matrix [-1, 0, 0, 1]
#   stored with 0 vflip: frame.rotation 0, matrix [1, 0, 0, -1]
#   stored with 0 hflip vflip: frame.rotation -180, matrix [-1, 0, 0, -1]
#   stored with 90 unmirrored: frame.rotation 90, matrix [0, -1, 1, 0]
#   stored with 90 hflip: frame.rotation 90, matrix [0, -1, -1, 0]
#   stored with 90 vflip: frame.rotation -90, matrix [0, 1, 1, 0]
#   stored with 90 hflip vflip: frame.rotation -90, matrix [0, 1, -1, 0]
#   stored with 180 unmirrored: frame.rotation -180, matrix [-1, 0, 0, -1]
#   stored with 180 hflip: frame.rotation 0, matrix [1, 0, 0, -1]
#   stored with 180 vflip: frame.rotation -180, matrix [-1, 0, 0, 1]
#   stored with 180 hflip vflip: frame.rotation 0, matrix None
