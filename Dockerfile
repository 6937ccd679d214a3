# Production image: NVIDIA's Triton with the native onnxruntime backend, and the gateway before it.
# Not built or run by the project's CI, which has neither Docker nor a GPU.
#
#   docker build -t crosswire .
#   docker run --rm --init --gpus all --shm-size=1g -p 8000:8000 -p 8001:8001 crosswire
#
# The python steps pass images through /dev/shm: Docker's 64 MiB are too few. Triton before 26.07 has known holes.
FROM python:3.12-slim AS wheel
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY contract/ contract/
COPY media/ media/
COPY training/ training/
COPY export/ export/
COPY serving/ serving/
COPY clients/ clients/
COPY offline/ offline/
COPY crosswire/ crosswire/
RUN python3 -m pip wheel --no-deps --wheel-dir dist .

FROM nvcr.io/nvidia/tritonserver:26.07-py3

RUN python3 -m venv --system-site-packages /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir \
      "numpy>=1.26" "pillow>=11" "grpcio>=1.67" "grpcio-reflection>=1.67" "protobuf>=5,<7" "tritonclient[grpc]>=2.51" \
      "av>=14" "isal>=1.7,<2" "starlette>=1,<2" "uvicorn>=0.48" "python-multipart>=0.0.20" "prometheus-client>=0.21" \
      "psutil>=6,<8" \
      "opentelemetry-sdk>=1.27" "opentelemetry-exporter-otlp-proto-http>=1.27"
# The python stubs take the first python3 on PATH.
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1

WORKDIR /opt/crosswire
COPY --from=wheel /build/dist/ dist/
COPY model_repository/ model_repository/
RUN python3 -m pip install --no-deps --no-index --find-links dist crosswire

# Refuses a graph that is not what its contract says, and leaves a repository that plain `tritonserver` can serve too:
#   tritonserver --model-repository=/opt/crosswire/triton
RUN crosswire assemble --repository model_repository --runtime container --to triton

USER 65532:65532
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]

# Inside a container loopback reaches nobody: publish the ports on the host's loopback, or behind a gateway.
ENTRYPOINT ["crosswire", "serve", "--runtime", "container", "--triton", "/opt/tritonserver/bin/tritonserver"]
CMD ["--repository", "model_repository", "--host", "0.0.0.0", "--access-log", "-"]
