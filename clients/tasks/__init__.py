"""One file per task: its request and its result; `result` is what all results have in common."""
