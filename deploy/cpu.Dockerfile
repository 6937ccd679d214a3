# CPU image: the wheel with the Triton that lies in the Python package nvidia-pytriton, and the gateway before it.
# Not built or run by the project's CI, which has no Docker.
#
#   docker build -f deploy/cpu.Dockerfile -t crosswire-cpu .
#   docker run --rm --init --shm-size=1g -p 127.0.0.1:8000:8000 -p 127.0.0.1:8001:8001 \
#     -v "$PWD/model_repository":/opt/crosswire/model_repository:ro crosswire-cpu
#
# Python 3.11 is what constraints.txt was tested on. This Triton is release 2.51: SECURITY.md says what that means.
FROM python:3.11-slim AS wheel
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

FROM python:3.11-slim

WORKDIR /opt/crosswire
COPY constraints.txt ./
COPY --from=wheel /build/dist/ dist/
# The file is named, for a package index may know another `crosswire`. The python stubs take the first python3 on PATH.
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --constraint constraints.txt "$(echo dist/crosswire-*.whl)[serve,traces]"
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1

COPY model_repository/ model_repository/
# Refuses a graph that is not what its contract says.
RUN crosswire assemble --repository model_repository --to checked && rm -r checked

USER 65532:65532
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]

# Inside a container loopback reaches nobody: publish the ports on the host's loopback, or behind a gateway.
ENTRYPOINT ["crosswire", "serve"]
CMD ["--repository", "model_repository", "--host", "0.0.0.0", "--access-log", "-"]
