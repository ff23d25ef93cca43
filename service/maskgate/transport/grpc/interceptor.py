"""Around every call of our services: who calls, deadline, metrics, and domain errors as rich statuses."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from maskgate.domain.errors import InvalidRequest, MaskgateError, Unauthenticated
from maskgate.transport import status
from maskgate.transport.calls import Envelope
from maskgate.transport.grpc.statuses import to_status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from google.protobuf.message import Message

    from maskgate.domain.call import Call
    from maskgate.transport.calls import CallObserver

    _Handler = grpc.RpcMethodHandler[Any, Any]
    _Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]]
    _Context = grpc.aio.ServicerContext[Any, Any]
    _Behaviour = Callable[[Any, _Context], Awaitable[Any]]
    _Received = Message | InvalidRequest

PROTOCOL = "grpc"
"""As metrics and log call it."""

_REBUILD: Any = {  # by whether requests and whether responses are streams
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds the methods of all services of our proto package; health and reflection are left alone.

    A method gets the request and the `Call`, never gRPC's context. One whose responses are a stream is an async
    generator. An error that it raises ends the stream, however many messages were sent before.
    """

    def __init__(self, observer: CallObserver, *, package: str) -> None:
        self._observer = observer
        self._prefix = f"/{package}."
        self._traffic = observer.traffic(PROTOCOL)

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> _Handler | None:
        """Replace the handler of a method by one that is surrounded."""
        handler: Any = await continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None or not path.startswith(self._prefix):
            return handler  # type: ignore[no-any-return] # typed as sync handlers, in truth async
        method, envelope = path.rpartition("/")[2], _envelope(handler_call_details.invocation_metadata)
        try:
            self._observer.caller(envelope)
        except Unauthenticated as error:
            return self._refusing(error, method=method)
        surround = self._streaming if handler.response_streaming else self._answering
        surrounded: _Handler = _REBUILD[handler.request_streaming, handler.response_streaming](
            surround(handler, method=method),
            request_deserializer=self._received(_tolerant(handler.request_deserializer)),
            response_serializer=self._sent(handler.response_serializer),
        )
        return surrounded

    def _answering(self, handler: Any, *, method: str) -> _Behaviour:  # noqa: ANN401 - gRPC's handlers are untyped
        """Surround a method of one response."""
        inner, valid = handler.unary_unary or handler.stream_unary, _check_of(handler)

        async def behaviour(request: Any, context: _Context) -> Any:  # noqa: ANN401 - any message
            async with self._call(method, context) as call:
                return await inner(valid(request), call)

        return behaviour

    def _streaming(self, handler: Any, *, method: str) -> _Behaviour:  # noqa: ANN401
        """Surround a method of many responses.

        They are written here and not yielded on: a call that is cancelled while one is on its way then ends in this
        very task, with the method's own clean-up.
        """
        inner, valid = handler.unary_stream or handler.stream_stream, _check_of(handler)

        async def behaviour(request: Any, context: _Context) -> None:  # noqa: ANN401
            async with self._call(method, context) as call, aclosing(inner(valid(request), call)) as responses:
                async for response in responses:
                    await context.write(response)

        return behaviour

    def _refusing(self, error: Unauthenticated, *, method: str) -> _Handler:
        """Refuse without reading a byte: a handler of a stream of requests is not handed any before it asks."""

        async def behaviour(_requests: object, context: _Context) -> None:
            async with self._call(method, context):
                raise error

        refusing: _Handler = grpc.stream_stream_rpc_method_handler(behaviour)
        return refusing

    def _received(self, deserialize: Callable[[bytes], _Received]) -> Callable[[bytes], _Received]:
        def counted(data: bytes) -> _Received:
            self._traffic.received.inc(len(data))
            return deserialize(data)

        return counted

    def _sent(self, serialize: Callable[[Message], bytes]) -> Callable[[Message], bytes]:
        def counted(message: Message) -> bytes:
            data = serialize(message)
            self._traffic.sent.inc(len(data))
            return data

        return counted

    @asynccontextmanager
    async def _call(self, method: str, context: _Context) -> AsyncIterator[Call]:
        envelope = replace(_envelope(context.invocation_metadata() or ()), deadline=context.time_remaining())
        try:
            async with self._observer.call(PROTOCOL, method, envelope) as call:
                yield call
        except MaskgateError as error:
            await context.abort_with_status(to_status(status.told(error)))
        except Exception:  # noqa: BLE001 - the outermost handler; the observer has logged it
            await context.abort_with_status(to_status(status.internal()))


def _envelope(metadata: Iterable[tuple[str, str | bytes]]) -> Envelope:
    return Envelope.of({name: value for name, value in metadata if isinstance(value, str)})


def _tolerant(deserialize: Callable[[bytes], Message]) -> Callable[[bytes], _Received]:
    """Hand bytes that are no such message on as an error: gRPC itself would answer INTERNAL."""

    def deserializer(data: bytes) -> _Received:
        try:
            return deserialize(data)
        except DecodeError:
            return InvalidRequest("The request is not a valid message of its type.")

    return deserializer


def _check_of(handler: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return _each_valid if handler.request_streaming else _valid


def _valid(request: _Received) -> Message:
    if isinstance(request, InvalidRequest):
        raise request
    return request


async def _each_valid(requests: AsyncIterator[_Received]) -> AsyncIterator[Message]:
    async for request in requests:
        yield _valid(request)
