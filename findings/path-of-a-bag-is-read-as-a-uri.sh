#!/usr/bin/env bash
# rosbags writes a ROS 2 bag whose path holds # or ? beside the place that it was told, and cannot write one with %.
#
# Expected: `Writer(path)` makes PATH/NAME.db3, or says that it cannot. The path becomes a URI of SQLite as it is, so
# what follows # or ? is no part of it and %41 is the letter A: the messages of `run#2` go to a file `run` beside the
# folder, without a word, and `Reader("run#2.db3")` reads the file `run`. A folder `50%25` fails.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv rosbags==0.11.9 numpy==2.2.6
"$python" - "$work" <<'PYTHON'
import importlib.metadata as packages
import sys
from pathlib import Path

from rosbags.rosbag2 import Writer

print(f"rosbags {packages.version('rosbags')}")
folder = Path(sys.argv[1]) / "bags"
folder.mkdir()
seen = {}
for name in ("run2", "run#2", "day?2", "50%25"):
    try:
        with Writer(folder / name, version=9):
            pass
        seen[name] = sorted(one.name for one in (folder / name).iterdir())
    except Exception as error:
        seen[name] = f"{type(error).__name__}: {error}"
    print(f"Writer({name!r}):", seen[name])
print("beside them:", sorted(one.name for one in folder.iterdir() if one.is_file()))
good = seen["run2"] == ["metadata.yaml", "run2.db3"]
lost = seen["run#2"] == seen["day?2"] == ["metadata.yaml"] and (folder / "run").is_file()
if not (good and lost and "unable to open" in seen["50%25"]):
    sys.exit("the behaviour has changed")
PYTHON

# Seen:
#   rosbags 0.11.9
#   Writer('run2'): ['metadata.yaml', 'run2.db3']
#   Writer('run#2'): ['metadata.yaml']
#   Writer('day?2'): ['metadata.yaml']
#   Writer('50%25'): OperationalError: unable to open database file
#   beside them: ['day', 'run']
