"""Errors as google.rpc statuses."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from maskgate.transport.status import DOMAIN

if TYPE_CHECKING:
    import grpc
    from google.protobuf.message import Message

    from maskgate.transport.status import Told


def to_status(told: Told) -> grpc.Status:
    """Write what a client is told, with its reason and metadata, and with a delay where trying again may help."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=told.reason, domain=DOMAIN, metadata=told.metadata)]
    if told.retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(told.retry_after)))
    rich = status_pb2.Status(code=told.code.value[0], message=told.message, details=map(_packed, details))
    converted: grpc.Status = rpc_status.to_status(rich)
    return converted


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromMilliseconds(ceil(seconds * 1e3))
    return duration


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
