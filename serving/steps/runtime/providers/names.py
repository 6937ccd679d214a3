"""The providers of ONNX Runtime that are tried: what settings call them, people and ONNX Runtime (standard library)."""

from __future__ import annotations

from crosswire.contract import RTX_CUDA

RTX, CUDA, CPU = "tensorrt-rtx", "cuda", "cpu"
#: Those on a GPU, in the order that they are tried in.
ORDER = (RTX, CUDA)
#: What people read.
LABELS = {RTX: "TensorRT-RTX", CUDA: "CUDA", CPU: "the processor"}
#: What ONNX Runtime calls them.
PROVIDERS = {RTX: "NvTensorRTRTXExecutionProvider", CUDA: "CUDAExecutionProvider", CPU: "CPUExecutionProvider"}
#: The package, and the module in it, that brings the provider for TensorRT-RTX with the library itself.
PLUGIN_PACKAGE, PLUGIN_MODULE = f"onnxruntime-ep-nv-tensorrt-rtx-cu{RTX_CUDA}", "onnxruntime_ep_nv_tensorrt_rtx"
#: The oldest ONNX Runtime that the plugin can be registered with: it asks for version 24 of the interface in C.
PLUGIN_NEEDS = (1, 24)
#: The package that brings the provider for CUDA.
CUDA_PACKAGE = "onnxruntime-gpu"
