"""TensorRT: plans, and what its parser takes."""
