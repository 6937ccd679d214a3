"""Server reflection: tools like grpcurl ask a server for its services and messages and need no .proto file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from crosswire.serving.wire import SERVICE

_METHOD = "ServerReflection/ServerReflectionInfo"
#: Both versions have the same messages under other names.
REFLECTION_PATHS = tuple(f"/grpc.reflection.{version}.{_METHOD}" for version in ("v1", "v1alpha"))


@cache
def _servicer() -> Any:
    """Return what knows the messages; imported for the first who asks, as hardly anybody does."""
    from grpc_reflection.v1alpha import reflection

    return reflection.aio.ReflectionServicer((SERVICE, reflection.SERVICE_NAME))


async def reflect(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    """Answer questions about services and messages, one after the other.

    Args:
        requests: encoded `ServerReflectionRequest` messages.
        context: gRPC's own context.

    Yields:
        encoded `ServerReflectionResponse` messages.
    """
    from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

    async def decoded() -> AsyncIterator[Any]:
        async for data in requests:
            yield ServerReflectionRequest.FromString(data)

    async for answer in _servicer().ServerReflectionInfo(decoded(), context):
        yield bytes(answer.SerializeToString())
