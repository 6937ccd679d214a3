"""Pages that are built from `benchmarks/results/`, never typed: `docs/results.md` and its short form in the README."""
