#!/usr/bin/env bash
# KServe's own Python client raises when it asks Triton whether it is live or ready.
#
# Expected: both speak the Open Inference Protocol, so `is_server_live` and `is_server_ready` are true of a server that
# answers inferences. Triton answers these questions with status 200 and an empty body, as its own clients expect; the
# REST client of KServe reads the answer as JSON (`{"live": true}`), which an empty body is not. `is_model_ready` of the
# same client looks at the status alone and works, and so does inference.
set -euo pipefail
. "$(dirname "$0")/_triton.sh"

same_model
triton_start
"${PYTHON:-python3}" -m venv "$work/client"
"$work/client/bin/python" -m pip install -qq --disable-pip-version-check kserve==0.21.0
"$work/client/bin/python" - "$http" <<'PYTHON'
import asyncio
import importlib.metadata as packages
import sys

from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def kind(call):
    """Return what a call gave."""
    try:
        return f"{await call}"
    except Exception as error:  # whatever it raises is what there is to see
        return f"raises {type(error).__name__}"


async def main(url):
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=20))
    request = InferRequest("same", [InferInput("X", [4], "FP32", [1.0, 2.0, 3.0, 4.0])])
    answer = await client.infer(url, request, model_name="same")
    seen = {
        "infer": f"{answer.outputs[0].data}",
        "is_server_live": await kind(client.is_server_live(url)),
        "is_server_ready": await kind(client.is_server_ready(url)),
        "is_model_ready": await kind(client.is_model_ready(url, "same")),
    }
    print(f"kserve {packages.version('kserve')}")
    for name, what in seen.items():
        print(f"   {name}: {what}")
    return seen


seen = asyncio.run(main(f"http://{sys.argv[1]}"))
expected = {"infer": "[1.0, 2.0, 3.0, 4.0]", "is_server_live": "raises JSONDecodeError"}
expected |= {"is_server_ready": "raises JSONDecodeError", "is_model_ready": "True"}
if seen != expected:
    sys.exit(f"the behaviour has changed; expected {expected}")
PYTHON

# Seen:
#   Triton 2.51.0 of nvidia-pytriton 0.7.0, tritonclient 2.73.0, Python 3.11.7
#   kserve 0.21.0
#      infer: [1.0, 2.0, 3.0, 4.0]
#      is_server_live: raises JSONDecodeError
#      is_server_ready: raises JSONDecodeError
#      is_model_ready: True
