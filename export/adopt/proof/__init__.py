"""Proof of an adopted graph: the original with the described pre-processing in numpy against what is served."""
