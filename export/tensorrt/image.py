"""The release of NVIDIA's container images: that which builds a plan and that which serves it have to be one."""

#: Year and month. `Dockerfile` begins from the Triton server of this release.
RELEASE = "26.07"

PLAN_BUILDER = f"nvcr.io/nvidia/tensorrt:{RELEASE}-py3"
