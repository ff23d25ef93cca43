"""The one seam where gRPC's errors become ours: by the reason that the gateway gives, else by the code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from maskgate.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    MaskgateError,
    NotFound,
    Overloaded,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maskgate.transport.grpc._pb import segmentation_pb2 as pb

_DETAILS = "grpc-status-details-bin"
_BRANCHES: Mapping[StatusCode, type[MaskgateError]] = {
    StatusCode.INVALID_ARGUMENT: InvalidRequest,
    StatusCode.NOT_FOUND: NotFound,
    StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    StatusCode.UNAVAILABLE: Unavailable,
    StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raise what a call to the gateway at an address fails with as a MaskgateError, with gRPC's own as its cause."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise error_of_call(error, address) from error


def error_of_call(error: grpc.aio.AioRpcError, address: str) -> MaskgateError:
    """Read what the gateway says of a call that failed."""
    status = _status_of(error)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    if error.code() is StatusCode.UNAVAILABLE and not info.reason:
        message = f"No gateway answers at {address}: {error.details()}"
        raised = _raised(error.code(), "", message, {"address": address})
    else:
        raised = _raised(error.code(), info.reason, error.details() or "", info.metadata)
    raised.retry_after = retry.retry_delay.ToMilliseconds() / 1e3 if retry.HasField("retry_delay") else None
    return raised


def error_of_part(error: pb.Error) -> MaskgateError:
    """Read why a part of a call failed; a code that a newer gateway names is none that this client knows."""
    code = StatusCode.__members__.get(error.code, StatusCode.UNKNOWN)
    return _raised(code, error.reason, error.message, error.metadata)


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    for key, value in error.trailing_metadata():
        if key == _DETAILS:
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _raised(code: StatusCode, reason: str, message: str, metadata: Mapping[str, str]) -> MaskgateError:
    """Make the error of this reason; for one that this client is too old to know, that of its branch."""
    raised = (_by_reason().get(reason) or _BRANCHES.get(code, MaskgateError))(message)
    raised.reason = reason or code.name
    raised.metadata = dict(metadata)
    return raised


def _by_reason() -> dict[str, type[MaskgateError]]:
    found, below = {}, [MaskgateError]
    while below:
        kind = below.pop()
        found[kind.reason] = kind
        below += kind.__subclasses__()
    return found
