"""A worker process of `sandbox`: reads calls, answers them, and ends with the process that started it.

python -m crosswire.serving.steps.decode.sandbox_main MODULE:FUNCTION SOCKET MEMORY CPU_SECONDS MEMORY_BYTES ARENA_BYTES
"""

from __future__ import annotations

import importlib
import math
import mmap
import resource
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosswire.serving.steps.decode.sandbox import DONE, END_BYTES, FAILED, HEADER_BYTES, READY, REFUSED, MediaError
from crosswire.serving.steps.decode.shm_message import MessageError, pack, unpack

_OPEN_FILES = 64
_MOST_CHARACTERS = 4000
Function = Callable[..., tuple[Any, ...]]


def main() -> None:
    """Answer calls until the other end is closed."""
    path, descriptor, memory, cpu_seconds, memory_bytes, arena_bytes = sys.argv[1:]
    module, _, name = path.partition(":")
    function: Function = getattr(importlib.import_module(module), name)
    arena = memoryview(mmap.mmap(int(memory), int(arena_bytes)))
    line = socket.socket(fileno=int(descriptor))
    _confine(int(memory_bytes))
    line.send(READY)
    while request := line.recv(HEADER_BYTES):
        _allow(int(cpu_seconds))
        line.send(_answer(function, request, arena, int(memory_bytes)))


def _answer(function: Function, request: bytes, arena: memoryview, memory_bytes: int) -> bytes:
    """Call the function once; returns the message that says what became of it."""
    start = int.from_bytes(request[:END_BYTES], "little")

    def message(kind: bytes, body: bytes, end: int = start) -> bytes:
        return kind + end.to_bytes(END_BYTES, "little") + body

    try:
        header, end = pack(function(*unpack(request[END_BYTES:], arena)), arena, start)
        return message(DONE, header, end)
    except MediaError as error:
        return message(REFUSED, str(error)[:_MOST_CHARACTERS].encode())
    except MemoryError:
        return message(REFUSED, f"the media need more than {memory_bytes >> 20} MiB to decode; send less".encode())
    except MessageError as error:
        return message(REFUSED, f"the decoded media are too large: {error}; send less".encode())
    except Exception as error:
        traceback.print_exc()
        return message(FAILED, f"{type(error).__name__}: {error}"[:_MOST_CHARACTERS].encode())


def _confine(memory_bytes: int) -> None:
    """Bound this process from here on: so much more memory than it maps now, few open files, no core dumps."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + memory_bytes
    for limit, value in (
        (resource.RLIMIT_AS, most),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        hard = resource.getrlimit(limit)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (soft, soft))


def _allow(cpu_seconds: int) -> None:
    """Let the kernel end this process once it has used so much more processor time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + cpu_seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    main()
