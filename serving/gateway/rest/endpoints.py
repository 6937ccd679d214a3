"""Plain REST for people: `GET /v1/pipelines` and `POST /v1/pipelines/NAME`."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import grpc
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from tritonclient.grpc.service_pb2 import ModelInferResponse

from crosswire.serving.gateway.admission import Admission
from crosswire.serving.gateway.arrival.arrivals import Arrivals
from crosswire.serving.gateway.errors import CLIENT_GONE, WireError, bad, from_rpc
from crosswire.serving.gateway.http.bodies import admit, check_room, read_body
from crosswire.serving.gateway.http.forward import infer_unless_gone
from crosswire.serving.gateway.rest.accept import PNG, wants_png
from crosswire.serving.gateway.rest.forms import Field, Form, takes_numbers
from crosswire.serving.gateway.rest.multipart import form_tensors
from crosswire.serving.gateway.upstream import Upstream
from crosswire.serving.processes.run_state import read_health
from crosswire.serving.wire import infer_request, unpack_bytes


class RestEndpoints:
    """Answers forms."""

    def __init__(self, upstream: Upstream, admission: Admission, arrivals: Arrivals, state: Path) -> None:
        """Take the connection to Triton, the gate, what has not come whole and the run-state folder."""
        self._upstream, self._admission, self._arrivals, self._state = upstream, admission, arrivals, state
        self._limits = admission.limits

    async def pipelines(self, _: Request) -> Response:
        """Every pipeline: what it takes, what it gives, its classes and colours, and what runs its network."""
        graphs = read_health(self._state).graphs
        return JSONResponse({"pipelines": [form.described(graphs) for form in await self._upstream.forms()]})

    async def pipeline(self, request: Request) -> Response:
        """One pipeline, described."""
        return JSONResponse((await self._form(request)).described(read_health(self._state).graphs))

    async def predict(self, request: Request) -> Response:
        """Answer one form: JSON, or one image if the client prefers `image/png`."""
        await check_room(self._admission, request)
        try:
            form = await self._form(request)
            as_png = wants_png(request.headers.get("accept", ""))
            chosen = chosen_outputs(form, request.query_params.getlist("output"), as_png)
            body = await read_body(request, self._limits, self._arrivals)
            slot = admit(self._admission, request, body)
            tensors = await form_tensors(form, body, request.headers, self._limits)
            del body
            names = [field.tensor for field in chosen]
            wire = infer_request(form.pipeline, tensors, names, request_id=request.state.request_id)
            answer = await infer_unless_gone(self._upstream, request, wire, self._limits.infer_seconds, slot)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        except grpc.RpcError as error:
            refused = from_rpc(error)
            raise WireError(refused.status, form.in_fields(str(refused)), refused.code) from error
        content = _contents(answer)
        if as_png:
            return Response(content[chosen[0].tensor][0], media_type=PNG)
        plain = {field.name: _plain(field, content[field.tensor]) for field in chosen}
        return JSONResponse({"pipeline": form.pipeline, "request_id": request.state.request_id, **plain})

    async def _form(self, request: Request) -> Form:
        """Return the pipeline that the path names."""
        name = request.path_params["name"]
        try:
            config = await self._upstream.config(name)
        except WireError:
            form = None
        else:
            form = Form.from_config(config)
            if form is None and takes_numbers(config):
                raise WireError(
                    404, f"{name} takes numbers, of which there is no form; ask POST /v2/models/{name}/infer"
                )
        if form is None:
            served = ", ".join(form.pipeline for form in await self._upstream.forms())
            raise WireError(404, f"there is no pipeline {name[:80]!r}; served are {served or 'none'}")
        return form


def chosen_outputs(form: Form, asked: list[str], as_png: bool) -> list[Field]:
    """Return the outputs that a request asks for.

    Args:
        form: the pipeline.
        asked: values of the `output` parameter, each a name or several with commas between them.
        as_png: whether the answer is one image. It is the first image of the pipeline if none is named; JSON
            without a name holds the texts.

    Raises:
        WireError: an unknown name, or not exactly one image for a PNG answer.
    """
    names = [name for value in asked for name in value.split(",") if name]
    if unknown := [name for name in names if name not in form.outputs]:
        raise bad(f"{form.pipeline} has no output {unknown[0][:60]!r}; it has {', '.join(form.outputs)}")
    names = list(dict.fromkeys(names)) or list(form.images[:1] if as_png else form.texts)
    if as_png and (len(names) != 1 or names[0] not in form.images):
        raise bad(f"a PNG answer holds one picture; ask for ?output={' or ?output='.join(form.images)}")
    return [form.outputs[name] for name in names]


def _contents(answer: ModelInferResponse) -> dict[str, list[bytes]]:
    """Return the elements of every output by tensor name."""
    outputs = zip(answer.outputs, answer.raw_output_contents, strict=True)
    return {output.name: unpack_bytes(data) for output, data in outputs}


def _plain(field: Field, contents: list[bytes]) -> Any:
    """Return an output as a JSON value: one element as it is, several as a list."""
    values = [_value(field, content) for content in contents]
    return values[0] if field.single else values


def _value(field: Field, content: bytes) -> Any:
    """Return one element as a JSON value: an image as base64, JSON text as what it says, other text as it is."""
    if field.is_image:
        return base64.b64encode(content).decode()
    return json.loads(content) if field.is_json else content.decode("utf-8", "replace")
