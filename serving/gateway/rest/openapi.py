"""The OpenAPI document of the plain REST paths, made from the pipelines that are served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crosswire.serving.gateway.rest.accept import JSON, PNG
from crosswire.serving.gateway.rest.forms import Field, Form

_KINDS: dict[str, dict[str, Any]] = {
    "file": {"type": "string", "format": "binary"},
    "text": {"type": "string", "contentMediaType": JSON},
    "number": {"type": "number"},
}
_ERRORS = {
    "401": "the server asks for an API key, and the request carries none that it knows",
    "400": "the request or a picture in it cannot be used; the error names the problem",
    "413": "the body is too large",
    "503": "overloaded, starting or stopping; try again after Retry-After seconds",
    "504": "no answer in time",
}


def openapi(forms: Sequence[Form], version: str, *, keys: bool) -> dict[str, Any]:
    """Return the document, OpenAPI 3.1.

    Args:
        forms: the pipelines.
        version: version of the server behind them.
        keys: whether requests must carry an API key.
    """
    description = (
        "Pictures in, pictures out. Beside these paths the server speaks KServe v2, at /v2 and over gRPC, "
        "and Prometheus at /metrics."
    )
    paths: dict[str, Any] = {
        "/v1/pipelines": {"get": _operation("Every pipeline: its inputs, outputs, classes and colours.")},
        "/v2/health/live": {"get": {**_flag("live", "Whether the server runs."), "security": []}},
        "/v2/health/ready": {"get": {**_flag("ready", "Whether every pipeline answers."), "security": []}},
    }
    for form in forms:
        paths[f"/v1/pipelines/{form.pipeline}"] = {
            "get": _operation(f"What {form.pipeline} takes and gives."),
            "post": _prediction(form),
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Crosswire", "version": version, "description": description},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}} if keys else {}},
        "security": [{"key": []}] if keys else [],
    }


def _prediction(form: Form) -> dict[str, Any]:
    """Describe `POST /v1/pipelines/NAME`."""
    names = list(form.outputs)
    return {
        "summary": f"Run {form.pipeline} ({form.description.task}).",
        "operationId": form.pipeline,
        "parameters": [
            {
                "name": "output",
                "in": "query",
                "description": f"What to answer. Default: {', '.join(form.texts)} as JSON, {form.images[0]} as PNG.",
                "explode": True,
                "schema": {"type": "array", "items": {"type": "string", "enum": names}},
            },
        ],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _body(form)}}},
        "responses": {
            "200": {
                "description": "the outputs asked for",
                "content": {
                    JSON: {"schema": {"type": "object", "properties": _answers(form)}},
                    PNG: {"schema": {"type": "string", "format": "binary"}},
                },
            },
            **{status: _problem(text) for status, text in _ERRORS.items()},
        },
    }


def _body(form: Form) -> dict[str, Any]:
    """Describe the form."""
    return {
        "type": "object",
        "required": [field.name for field in form.fields.values() if not field.optional],
        "properties": {field.name: _part(field) for field in form.fields.values()},
        "additionalProperties": False,
    }


def _part(field: Field) -> dict[str, Any]:
    """Describe one part of the form."""
    return {**_KINDS[field.kind], "description": field.unit}


def _answers(form: Form) -> dict[str, Any]:
    """Describe the JSON answer."""
    outputs = {
        field.name: {
            **_kind(field),
            "description": field.unit,
        }
        for field in form.outputs.values()
    }
    return {"pipeline": {"type": "string"}, "request_id": {"type": "string"}, **outputs}


def _kind(field: Field) -> dict[str, Any]:
    """Describe the type of one JSON value of an answer."""
    if field.is_image:
        return {"type": "string", "format": "byte"}
    one = {"type": "object"} if field.is_json else {"type": "string"}
    return one if field.single else {"type": "array", "items": one}


def _operation(summary: str) -> dict[str, Any]:
    """Describe a path that only answers."""
    return {"summary": summary, "responses": {"200": {"description": "the answer"}, "503": _problem(_ERRORS["503"])}}


def _flag(name: str, summary: str) -> dict[str, Any]:
    """Describe a path that answers that something is so, or with an error."""
    operation = _operation(summary)
    schema = {"type": "object", "required": [name], "properties": {name: {"const": True}}}
    operation["responses"]["200"]["content"] = {JSON: {"schema": schema}}
    return operation


def _problem(text: str) -> dict[str, Any]:
    """Describe an error answer."""
    schema = {"type": "object", "properties": {"error": {"type": "string"}}}
    return {"description": text, "content": {JSON: {"schema": schema}}}
