"""One training, whatever its task: fit, checkpoints, run folder, seeds, schedules, progress."""
