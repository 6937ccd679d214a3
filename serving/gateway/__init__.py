"""The gateway: validating KServe v2 over HTTP, speaking gRPC to Triton."""
