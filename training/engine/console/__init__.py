"""What a training says while it runs: on the terminal and in its log."""
