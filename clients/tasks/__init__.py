"""One file per task: what is sent to a pipeline, and what its answer means."""
