"""Processes and what they share: children, ports, shared memory, the folder of a run, Triton's binary."""
