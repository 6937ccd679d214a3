"""Python models that Triton runs: pure functions on top, a thin Triton class below."""
