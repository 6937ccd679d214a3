"""What runs steps: Triton's python backend, one process for a whole pipeline, ONNX Runtime."""
