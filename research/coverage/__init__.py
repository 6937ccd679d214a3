"""Every table, figure and system of the papers, and the command that makes it here; `docs/coverage.md`."""
