"""From a multipart body to the tensors of one sample."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Mapping

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.errors import WireError, bad
from crosswire.serving.gateway.rest.forms import Field, Form
from crosswire.serving.gateway.tensors.files import text_for_file
from crosswire.serving.wire import RawTensor, pack_bytes

_MOST_PARTS = 64
_LONGEST_NUMBER = 64


async def form_tensors(form: Form, body: bytes, headers: Headers, limits: RequestLimits) -> list[RawTensor]:
    """Parse a body.

    Args:
        form: what the pipeline takes.
        body: the whole body.
        headers: the request's headers; `Content-Type` holds the boundary.
        limits: what is allowed.

    Returns:
        one tensor of shape [1, 1] per part.

    Raises:
        WireError: it is no multipart body, or its parts are not what the pipeline takes.
    """
    kind = headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        raise WireError(415, f"the Content-Type is {kind[:80]!r}; send multipart/form-data: {_example(form)}")
    parts = await _parts(body, headers, limits)
    if unknown := [name for name in parts if name not in form.fields]:
        raise bad(f"the form has no field {unknown[0][:60]!r}; {form.pipeline} takes {', '.join(form.fields)}")
    if missing := [field.name for field in form.fields.values() if not field.optional and field.name not in parts]:
        raise bad(f"the field {missing[0]!r} is missing; send it: {_example(form)}")
    if not any(form.fields[name].is_file for name in parts):
        raise bad(f"the form holds no file; send some of {', '.join(form.files)}: {_example(form)}")
    return [_tensor(form.fields[name], value) for name, value in parts.items()]


async def _parts(body: bytes, headers: Headers, limits: RequestLimits) -> Mapping[str, bytes | str]:
    """Return the content of every part by name; that of a part without a file name is text."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    parser = MultiPartParser(
        headers, stream(), max_files=_MOST_PARTS, max_fields=_MOST_PARTS, max_part_size=limits.json_bytes
    )
    parser.spool_max_size = limits.body_bytes + 1  # the body is in memory already: no file on disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise bad(f"the body is no multipart form: {error.message}") from None
    except (KeyError, ValueError) as error:
        raise bad(f"the body is no multipart form: {error}") from None
    parts: dict[str, bytes | str] = {}
    try:
        for name, value in form.multi_items():
            if name in parts:
                raise bad(f"the field {name[:60]!r} came twice; send one of each")
            parts[name] = await value.read() if isinstance(value, UploadFile) else value
    finally:
        await form.close()
    return parts


def _tensor(field: Field, value: bytes | str) -> RawTensor:
    """Return one part as a tensor."""
    if field.is_file:
        return RawTensor(field.tensor, field.dtype, (1, 1), pack_bytes([_file(field, value)]))
    if field.is_text:
        text = value.encode("utf-8", "replace") if isinstance(value, str) else value
        return RawTensor(field.tensor, field.dtype, (1, 1), pack_bytes([text]))
    given = value if isinstance(value, str) else value.decode("ascii", "replace")
    number = given[:_LONGEST_NUMBER].strip()
    try:
        return RawTensor(field.tensor, field.dtype, (1, 1), struct.pack("<f", float(number)))
    except (ValueError, OverflowError):
        raise bad(f"the field {field.name!r} is {number!r}; send a number: {field.unit}") from None


def _file(field: Field, value: bytes | str) -> bytes:
    """Return the bytes of a file.

    Raises:
        WireError: it is text: a part without a file name, base64, a path or an address.
    """
    if isinstance(value, str):
        found = text_for_file(value.encode("utf-8", "replace")) or f"a text of {len(value)} characters"
        raise bad(
            f"the field {field.name!r}: got {found} in a part without a file name, expected a file, "
            f"try curl -F {field.name}=@FILE"
        )
    if found := text_for_file(value):
        raise bad(f"the field {field.name!r}: got {found}, expected the bytes of a file, try the file as it is")
    return value


def _example(form: Form) -> str:
    """Return a command that sends what the pipeline needs."""
    return f"curl {form.example} …/v1/pipelines/{form.pipeline}"
