"""What runs a graph: ONNX Runtime's provider for TensorRT-RTX, that for CUDA, or the processor."""
