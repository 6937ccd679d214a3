"""Registration against librealsense, Open3D and OpenCV, and lenses against theirs, in an environment of their own.

What is compared is in `tests/support/recordings/registration_trial.py`, and of real recordings, where somebody has
them, in `real_registration_trial.py` beside it. librealsense's wheel needs Debian's libusb-1.0-0.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.environments import environment, run_module, sources
from tests.support.paths import ROOT

LIBRARIES = ("pyrealsense2==2.59.1.11053", "open3d==0.20.0", "opencv-contrib-python-headless==5.0.0.93")
TRIALS = "tests/support/recordings"


@pytest.mark.timeout(2400)
def test_depth_and_lenses_are_where_three_libraries_have_them(tmp_path: Path) -> None:
    python = environment(
        tmp_path / "venv", f"{sources(tmp_path / 'sources')}[client,recordings,video]", *LIBRARIES, "pytest"
    )
    trials = (f"{TRIALS}/registration_trial.py", f"{TRIALS}/real_registration_trial.py")
    # Open3D brings a plugin of Dash's that pytest 9 warns of.
    alone = ("--noconftest", "--disable-plugin-autoload", "-c", "/dev/null", f"--rootdir={ROOT}")
    print(run_module(python, "pytest", *alone, "-rs", "-s", *trials))
