"""Files in BYTES tensors and forms: base64 text, a path or an address in the place of a file is called what it is."""

from __future__ import annotations

import base64
import binascii
import re

from crosswire.contract.wire_names import CLIP, IMAGE_SUFFIX
from crosswire.serving.gateway.errors import bad
from crosswire.serving.wire import RawTensor, byte_spans

_EDGE = 64  # bytes at either end by which base64 text is known; a file of pictures or sound has others among them
_LONGEST_PATH = 4096
_PRINTABLE = range(32, 127)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+(?:\r?\n[A-Za-z0-9+/_-]*)*=*\s*")
_DATA_URL = re.compile(rb"data:[\w.+-]*/?[\w.+-]*[;,]")
_PATH = re.compile(rb"@?(?:[A-Za-z][A-Za-z0-9+.-]{1,15}://|[A-Za-z]:\\|~?/|\.{1,2}/)[^\x00-\x1f]+")
_FILE_NAME = re.compile(rb"@?[^\x00-\x1f<>|]{1,250}\.[A-Za-z0-9]{1,5}")
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"\x1aE\xdf\xa3", b"RIFF", b"GIF8", b"II*\0", b"MM\0*", b"OggS", b"v/1\x01")


def holds_files(name: str) -> bool:
    """Say whether a BYTES tensor of this name holds encoded files."""
    return name == CLIP or name.endswith(IMAGE_SUFFIX)


def check_files(tensor: RawTensor, model: str) -> None:
    """Raise `WireError` if an element of a tensor of encoded files is text in the place of one.

    Args:
        tensor: BYTES, checked by `from_binary`.
        model: whose input it is, for messages.
    """
    for index, (start, end) in enumerate(byte_spans(tensor.data)):
        if tensor.data[start : start + 1].isascii() and (found := text_for_file(tensor.data[start:end])):
            raise bad(
                f"input {tensor.name!r} of model {model!r}: got {found} in sample {index}, expected the bytes of a "
                "file, try the file's own bytes over gRPC or in the binary form of HTTP (binary_data_size)"
            )


def text_for_file(data: bytes) -> str:
    """Return what a text in the place of a file is, in words; an empty text if it may well be a file."""
    if not data or data[0] not in _PRINTABLE:
        return ""
    if _DATA_URL.match(data[:_EDGE]):
        return f"a data URL ({_shown(data)})"
    if _is_base64(data):
        return f"base64 text ({_shown(data)})"
    if len(data) <= _LONGEST_PATH and (_PATH.fullmatch(data) or _FILE_NAME.fullmatch(data)):
        return f"the path or address {_shown(data)}"
    return ""


def _is_base64(data: bytes) -> bool:
    """Say whether all that is looked at is base64, and either begins as media do or is too long for anything else."""
    if not (_BASE64.fullmatch(data[:_EDGE]) and _BASE64.fullmatch(data[-_EDGE:])):
        return False
    if len(data) > _LONGEST_PATH:
        return True
    try:
        began = base64.b64decode(data[:16].translate(bytes.maketrans(b"-_", b"+/")))
    except binascii.Error:
        return False
    return began.startswith(_BEGINNINGS) or began[4:8] == b"ftyp"


def _shown(data: bytes) -> str:
    """Return the beginning of a text for a message."""
    text = data[:60].decode("utf-8", "replace")
    return repr(text if len(data) <= 60 else f"{text[:24]}…")
