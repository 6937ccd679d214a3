"""`make test-processors`: the numeric tests as other processors and other numbers of threads compute them.

PyTorch and oneDNN choose their kernels by what a processor can do; both may be told to do with less. A setting that
asks for more than this processor has is named as not run. `python -m tests.support.processors aten-avx2 -- FILE...`
runs one setting, or several, on some files.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.paths import ROOT

THREADS = "CROSSWIRE_TEST_THREADS"
#: What asserts something learnt, an exact resume, or that two ways of computing agree.
NUMERIC = (
    "e2e/networks/test_end_to_end",
    "e2e/networks/test_events_gmf",
    "e2e/networks/test_translation_labels",
    "integration/export/test_absence",
    "integration/export/test_clips",
    "integration/export/test_export",
    "integration/export/test_precision",
    "integration/export/test_rooms_translation",
    "integration/export/test_translation",
    "integration/export/tasks/test_autoencoders",
    "integration/export/tasks/test_retrieval",
    "integration/research/test_study_theory",
    "integration/training/importers/test_imagenet",
    "integration/training/importers/test_imagenet_mobile",
    "integration/training/importers/test_import_cen",
    "integration/training/importers/test_import_translation",
    "integration/training/engine/test_infer",
    "integration/training/engine/test_resume",
    "integration/training/engine/test_fit",
    "integration/training/engine/test_onednn",
    "integration/training/engine/test_presets",
    "integration/training/engine/test_processes",
    "integration/training/segmentation/test_losses",
    "integration/training/segmentation/test_scores",
    "integration/training/tasks/test_audio_video_fusion",
    "integration/training/tasks/test_audio_video_training",
    "integration/training/tasks/test_autoencoders",
    "integration/training/tasks/test_retrieval",
    "integration/training/tasks/test_transfer",
    "integration/training/tasks/test_translation_losses",
    "integration/training/tasks/test_translation_scores",
    "integration/training/tasks/test_translation_training",
    "integration/export/test_freeze",
    "unit/export/test_tail",
    "unit/training/models/test_audio_video_parts",
    "unit/training/models/test_autoencoders",
    "unit/training/models/test_exchange",
    "unit/training/models/test_fusion",
    "unit/training/models/test_networks",
    "integration/training/tasks/test_translation_grouping",
    "unit/training/models/test_translation_networks",
)


@dataclass(frozen=True)
class Setting:
    """One way to compute.

    Attributes:
        name: what it is called.
        variables: environment that makes PyTorch compute so.
        needs: what /proc/cpuinfo must list, or an empty text.
    """

    name: str
    variables: dict[str, str]
    needs: str = ""


SETTINGS = (
    Setting("as-it-is", {}),
    Setting("aten-default", {"ATEN_CPU_CAPABILITY": "default"}),
    Setting("aten-avx2", {"ATEN_CPU_CAPABILITY": "avx2"}, "avx2"),
    Setting("aten-avx512", {"ATEN_CPU_CAPABILITY": "avx512"}, "avx512f"),
    Setting("onednn-sse41", {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    Setting("onednn-avx2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "avx2"),
    Setting("threads-2", {THREADS: "2"}),
    Setting("threads-4", {THREADS: "4"}),
)


def flags() -> set[str]:
    """Return what the processor says that it can do."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def run(setting: Setting, files: Sequence[str]) -> tuple[str, bool]:
    """Run files under a setting; return a row of the table and whether nothing failed."""
    if setting.needs and setting.needs not in flags():
        return f"{setting.name:14} not run: this processor has no {setting.needs}", True
    processes = max(1, len(os.sched_getaffinity(0)) // int(setting.variables.get(THREADS, "1")))
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = ["-m", "pytest", "-q", "-m", "", "-n", str(processes), "--dist", "loadfile", f"--junitxml={report}"]
        began = time.monotonic()
        command, environment = [sys.executable, *words, *files], os.environ | setting.variables
        status = subprocess.run(command, cwd=ROOT, env=environment).returncode
        seconds = time.monotonic() - began
        if not report.exists():
            return f"{setting.name:14} ended with status {status} before it had run its tests", False
        suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    counts = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    row = f"{setting.name:14} {passed:6} {failed:6} {counts['skipped']:7} {seconds:7.0f}"
    return row, status == 0 and passed > 0


def main(words: Sequence[str]) -> int:
    """Run all settings or those that are named; return 1 if anything failed."""
    end = words.index("--") if "--" in words else len(words)
    names, files = words[:end], list(words[end + 1 :]) or [f"tests/{name}.py" for name in NUMERIC]
    known = {setting.name: setting for setting in SETTINGS}
    if unknown := set(names) - set(known):
        print(f"got {', '.join(sorted(unknown))}, expected some of {', '.join(known)}", file=sys.stderr)
        return 2
    rows, good = [], True
    for setting in [known[name] for name in names] or SETTINGS:
        print(f"--- {setting.name}", flush=True)
        row, passed = run(setting, files)
        rows.append(row)
        good = good and passed
    print("\n".join([f"{'setting':14} passed failed skipped seconds", *rows]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
