"""`make bench`: every benchmark of the CPU, one after the other; each ends in one JSON line."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Sequence

import benchmarks


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all; return 0 if every one ended well."""
    modules = [module for module in pkgutil.iter_modules(benchmarks.__path__) if not module.ispkg]
    names = [module.name for module in modules if not module.name.startswith("_")]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the parts of Crosswire.")
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(names)} (default: all)")
    chosen = parser.parse_args(arguments).names or names
    if unknown := sorted(set(chosen) - set(names)):
        print(f"error: no benchmark {', '.join(unknown)}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    failed = []
    for name in chosen:
        summary = (importlib.import_module(f"benchmarks.{name}").__doc__ or "").splitlines()[0]
        print(f"\n== {name}: {summary}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"error: failed: {', '.join(failed)}", file=sys.stderr)
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
