"""Domain errors as google.rpc statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from maskgate.transport import status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from maskgate.domain.errors import MaskgateError


def from_error(error: MaskgateError) -> grpc.Status:
    """Write an error with its reason and metadata, and with a delay where trying again may help."""
    code = status.code_of(error)
    if code is grpc.StatusCode.INTERNAL:
        return internal(error.reason)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=status.DOMAIN, metadata=error.metadata)
    ]
    if code in status.RETRYABLE:
        delay = duration_pb2.Duration(seconds=status.RETRY_AFTER_SECONDS)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(code, error.message, details)


def internal(reason: str) -> grpc.Status:
    """Write a failure of ours, of which a client learns the reason alone."""
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
