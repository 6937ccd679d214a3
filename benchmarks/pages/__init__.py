"""Pages that are built from `benchmarks/results/`, never typed: `docs/results.md` and, in short, `docs/claims.md`."""
