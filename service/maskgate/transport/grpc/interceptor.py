"""Around every call of our service: deadline, metrics, and domain errors as rich statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from maskgate.domain.errors import InvalidRequest, MaskgateError
from maskgate.transport import status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from google.protobuf.message import Message

    from maskgate.transport.calls import CallObserver

    _Handler = grpc.RpcMethodHandler[Any, Any]
    _Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]]
    _Context = grpc.aio.ServicerContext[Any, Any]
    _Behaviour = Callable[[Any, _Context], Awaitable[Any]]

_PROTOCOL = "grpc"


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds the methods of our own service, all unary; health and reflection are left alone."""

    def __init__(self, observer: CallObserver, *, service: str) -> None:
        self._observer = observer
        self._prefix = f"/{service}/"

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> _Handler | None:
        """Replace the handler of a method by one that is surrounded."""
        handler: Any = await continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None or not path.startswith(self._prefix):
            return handler  # type: ignore[no-any-return] # typed as sync handlers, in truth async
        surrounded: Any = self._surrounded(handler.unary_unary, method=path.removeprefix(self._prefix))
        return grpc.unary_unary_rpc_method_handler(
            surrounded,
            request_deserializer=_tolerant(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )

    def _surrounded(self, inner: _Behaviour, *, method: str) -> _Behaviour:
        async def behaviour(request: Message | InvalidRequest, context: _Context) -> Any:  # noqa: ANN401 - any message
            try:
                async with self._observer.call(_PROTOCOL, method, deadline=context.time_remaining()):
                    return await inner(_valid(request), context)
            except MaskgateError as error:
                await context.abort_with_status(_rich_status(error))
            except Exception:  # noqa: BLE001 - the outermost handler; the observer has logged it
                await context.abort_with_status(_internal_status(status.INTERNAL_REASON))

        return behaviour


def _tolerant(deserialize: Callable[[bytes], Message]) -> Callable[[bytes], Message | InvalidRequest]:
    """Hand bytes that are no such message on as an error: gRPC itself would answer INTERNAL."""

    def deserializer(data: bytes) -> Message | InvalidRequest:
        try:
            return deserialize(data)
        except DecodeError:
            return InvalidRequest("The request is not a valid message of its type.")

    return deserializer


def _valid(request: Message | InvalidRequest) -> Message:
    if isinstance(request, InvalidRequest):
        raise request
    return request


def _rich_status(error: MaskgateError) -> grpc.Status:
    code = status.code_of(error)
    if code is grpc.StatusCode.INTERNAL:
        return _internal_status(error.reason)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=status.DOMAIN, metadata=error.metadata)
    ]
    if code in status.RETRYABLE:
        delay = duration_pb2.Duration(seconds=status.RETRY_AFTER_SECONDS)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(code, error.message, details)


def _internal_status(reason: str) -> grpc.Status:
    info = error_details_pb2.ErrorInfo(reason=reason, domain=status.DOMAIN)
    return _status(grpc.StatusCode.INTERNAL, status.INTERNAL_MESSAGE, [info])


def _status(code: grpc.StatusCode, message: str, details: Iterable[Message]) -> grpc.Status:
    rich = status_pb2.Status(code=code.value[0], message=message, details=map(_packed, details))
    converted: grpc.Status = rpc_status.to_status(rich)
    return converted


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
