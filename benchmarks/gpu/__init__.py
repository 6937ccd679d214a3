"""Benchmarks of a GPU: training steps, frozen graphs and a served pipeline; `make bench-gpu`."""

#: What each part measures; the figures of a part are those of the benchmark `gpu_PART`.
PARTS = {
    "train": "training steps of the papers' networks: bf16 against tf32 and fp32",
    "frozen": "frozen fp16 graphs on ONNX Runtime against eager and compiled PyTorch",
    "tensorrt": "engines of TensorRT against ONNX Runtime on CUDA and eager PyTorch: latency, build time and size",
    "served": "a frozen fp16 graph served on CUDA by the embedded Triton, at 1 and 4 clients",
}
