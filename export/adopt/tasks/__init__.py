"""What an adopted network of each task gives: its outputs, the nodes that make them, and the same in numpy."""
