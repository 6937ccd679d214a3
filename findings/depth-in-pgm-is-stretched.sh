#!/usr/bin/env bash
# Pillow multiplies the values of a PGM whose largest possible value is neither 255 nor 65535.
#
# Expected: the numbers of the file. Cameras of 10 and 12 bits and depth cut at 10 m write a PGM with the largest
# value that they can have (`P5 ... 10000`), and 1000 mm are 1000. Pillow answers with 6554: every value is multiplied
# by 65535 / maximum and rounded, without a word. imageio reads through Pillow and does the same; OpenCV gives the
# numbers of the file.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv pillow==13.0.0 imageio==2.37.2 opencv-python-headless==4.12.0.88 numpy==2.2.6
"$python" - "$work" <<'PYTHON'
import importlib.metadata as packages
import sys
from pathlib import Path

import cv2
import imageio.v3 as imageio
import numpy as np
from PIL import Image

print(", ".join(f"{name} {packages.version(name)}" for name in ("pillow", "imageio", "opencv-python-headless")))
stored = [0, 500, 1000, 4095]
changed = False
stretched = {65535: stored, 10000: [0, 3277, 6554, 26837], 4095: [0, 8002, 16004, 65535]}
for maximum, expected in stretched.items():
    path = Path(sys.argv[1]) / f"{maximum}.pgm"
    path.write_bytes(b"P5\n4 1\n%d\n" % maximum + np.array(stored, ">u2").tobytes())
    seen = {
        "Pillow": np.asarray(Image.open(path))[0].tolist(),
        "imageio": imageio.imread(path)[0].tolist(),
        "OpenCV": cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[0].tolist(),
    }
    print(f"stored {stored}, maximum {maximum}:\n  ", ", ".join(f"{name} {values}" for name, values in seen.items()))
    changed |= seen["Pillow"] != expected or seen["OpenCV"] != stored
if changed:
    sys.exit("the behaviour has changed")
PYTHON

# Seen:
#   pillow 13.0.0, imageio 2.37.2, opencv-python-headless 4.12.0.88
#   stored [0, 500, 1000, 4095], maximum 65535:
#      Pillow [0, 500, 1000, 4095], imageio [0, 500, 1000, 4095], OpenCV [0, 500, 1000, 4095]
#   stored [0, 500, 1000, 4095], maximum 10000:
#      Pillow [0, 3277, 6554, 26837], imageio [0, 3277, 6554, 26837], OpenCV [0, 500, 1000, 4095]
#   stored [0, 500, 1000, 4095], maximum 4095:
#      Pillow [0, 8002, 16004, 65535], imageio [0, 8002, 16004, 65535], OpenCV [0, 500, 1000, 4095]
