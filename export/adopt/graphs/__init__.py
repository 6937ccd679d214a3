"""Graph surgery: a foreign graph is read, brought to versions that servers read, and given our wire."""
