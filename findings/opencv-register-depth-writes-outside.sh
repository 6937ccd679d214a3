#!/usr/bin/env bash
# OpenCV's registerDepth writes outside its memory where the new image has fewer rows than the given depth.
#
# Expected: depth of 640x576 registered to a camera of 640x360, an image of that size. OpenCV 5.0.0 damages its heap:
# the process ends with "malloc(): corrupted top size" or another of glibc's last words, at once or later. With 1280x720
# all is well.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv opencv-contrib-python-headless==5.0.0.93 numpy==2.4.6
cat > "$work/register.py" <<'PYTHON'
import sys

import cv2
import numpy as np

width, height = map(int, sys.argv[1:])
inner = np.array([[504.0, 0, 320], [0, 504, 288], [0, 0, 1]])
outer = np.array([[0.48 * width, 0, width / 2], [0, 0.48 * width, height / 2], [0, 0, 1]])
depth = np.full((576, 640), 2, np.float32)
for _ in range(20):
    seen = cv2.registerDepth(inner, outer, np.zeros(5), np.eye(4), depth, (width, height))
print(cv2.__version__, seen.shape, flush=True)
PYTHON
"$python" "$work/register.py" 1280 720
if "$python" "$work/register.py" 640 360; then
  echo "the behaviour has changed" >&2
  exit 1
fi
echo "640x360: the process died"

# Seen:
#   5.0.0 (720, 1280)
#   Segmentation fault
#   640x360: the process died
