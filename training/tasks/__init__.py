"""One folder per task, with the same file names in each; `registry` finds them by name."""
