# Sourced by the findings about Triton: starts the real tritonserver that lies inside the nvidia-pytriton wheel.
#
#   python_model NAME CONFIG   adds a python-backend model; its model.py comes from standard input
#   same_model                 adds the model `same`: its output Y is its input X, four FP32 numbers
#   ensemble NAME CONFIG       adds an ensemble
#   triton_start               makes the venv, serves the models on free loopback ports, waits until they are ready and
#                              prints the version; sets $http, $grpc and $metrics (host:port); its log is
#                              $work/triton.log

. "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
triton=

python_model() {
  mkdir -p "$work/models/$1/1"
  printf 'backend: "python"\ninstance_group { kind: KIND_CPU }\n%s\n' "$2" >"$work/models/$1/config.pbtxt"
  cat >"$work/models/$1/1/model.py"
}

same_model() {
  python_model same 'max_batch_size: 0
input { name: "X" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] }' <<'PYTHON'
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "X").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", x)]) for x in inputs]
PYTHON
}

ensemble() {
  mkdir -p "$work/models/$1/1"
  printf 'platform: "ensemble"\n%s\n' "$2" >"$work/models/$1/config.pbtxt"
}

triton_start() {
  python_venv 'tritonclient[grpc]==2.73.0' numpy==1.26.4
  "$python" -m pip install -qq --disable-pip-version-check --no-deps nvidia-pytriton==0.7.0 # only the server in it
  local packages version libdir ports
  packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  libdir=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
  cp -r "$packages/pytriton/tritonserver" "$work/tritonserver"
  # The wheel has one python stub per Python version; Triton looks for the right one beside the backend's library.
  local stubs=$work/tritonserver/python_backend_stubs
  cp "$stubs/$version/triton_python_backend_stub" "$work/tritonserver/backends/python/" || {
    echo "the wheel has stubs for Python $(ls -m "$stubs"), got $version; choose one with PYTHON" >&2
    exit 1
  }
  ports=$("$python" -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(one.getsockname()[1] for one in held))')
  read -r http grpc metrics <<<"$ports"
  (
    ulimit -Ss "$(ulimit -Hs)"          # 2.51 puts messages on thread stacks
    export PATH=$work/venv/bin:$PATH    # the stub runs the first python3 there
    export LD_LIBRARY_PATH=$packages/nvidia_pytriton.libs:$libdir
    exec timeout --kill-after=15 180 "$work/tritonserver/bin/tritonserver" \
      --model-repository="$work/models" --backend-directory="$work/tritonserver/backends" --exit-timeout-secs=10 \
      --http-address=127.0.0.1 --http-port="$http" --grpc-address=127.0.0.1 --grpc-port="$grpc" \
      --metrics-address=127.0.0.1 --metrics-port="$metrics"
  ) >"$work/triton.log" 2>&1 &
  triton=$!
  at_end triton_stop
  http=127.0.0.1:$http grpc=127.0.0.1:$grpc metrics=127.0.0.1:$metrics
  "$python" - "$grpc" <<'PYTHON' || { tail -n 40 "$work/triton.log" >&2; exit 1; }
import importlib.metadata as packages
import sys
import time

from tritonclient.grpc import InferenceServerClient, InferenceServerException

client = InferenceServerClient(sys.argv[1])
for _ in range(300):
    try:
        if client.is_server_ready(client_timeout=5):
            break
    except InferenceServerException:
        pass  # it has no port yet
    time.sleep(0.2)
else:
    sys.exit("Triton is not ready")
server = client.get_server_metadata().version
print(f"Triton {server} of nvidia-pytriton {packages.version('nvidia-pytriton')}", end=", ")
print(f"tritonclient {packages.version('tritonclient')}, Python {sys.version.split()[0]}")
PYTHON
}

triton_stop() {
  kill "$triton" 2>/dev/null || true
  wait "$triton" || true
}
