"""The one table from domain errors to statuses: gRPC's code is looked up, HTTP's follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grpc import StatusCode

from maskgate.domain.errors import (
    DeadlineExceeded,
    InferenceFailed,
    InvalidRequest,
    MaskgateError,
    NotFound,
    Overloaded,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DOMAIN = "maskgate"
"""The `domain` of google.rpc.ErrorInfo."""

INTERNAL_REASON = "INTERNAL"
"""The reason of an error that nobody foresaw."""

INTERNAL_MESSAGE = "The service failed; its log says why."
"""What a client is told of an error that is ours: nothing of the inside."""

CODES: Mapping[type[MaskgateError], StatusCode] = {
    InvalidRequest: StatusCode.INVALID_ARGUMENT,
    Unauthenticated: StatusCode.UNAUTHENTICATED,
    NotFound: StatusCode.NOT_FOUND,
    Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: StatusCode.UNAVAILABLE,
    DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
    InferenceFailed: StatusCode.INTERNAL,
}
"""One line for each branch of the tree; a leaf has the code of its branch."""

HTTP_STATUS: Mapping[StatusCode, int] = {
    StatusCode.OK: 200,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.NOT_FOUND: 404,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.CANCELLED: 499,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
"""The mapping of google/rpc/code.proto, for the codes that we use."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a client is told of an error, whatever the protocol.

    Attributes:
        code: The canonical code.
        reason: Machine-readable reason.
        message: A sentence for people.
        metadata: The variable parts of the message.
        retry_after: Seconds after which trying again may help, if it may.
    """

    code: StatusCode
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None


def told(error: MaskgateError) -> Told:
    """Say what a client is told: the whole of an error, or of a failure of ours the reason alone."""
    code = code_of(error)
    if code is StatusCode.INTERNAL:
        return internal(error.reason)
    return Told(code, error.reason, error.message, error.metadata, error.retry_after)


def internal(reason: str = INTERNAL_REASON) -> Told:
    """Say what a client is told of a failure of ours."""
    return Told(StatusCode.INTERNAL, reason, INTERNAL_MESSAGE)


def code_of(error: MaskgateError) -> StatusCode:
    """Return the canonical code of an error: that of its nearest ancestor in the table.

    Raises:
        LookupError: The table has a hole.
    """
    for ancestor in type(error).__mro__:
        if ancestor in CODES:
            return CODES[ancestor]
    raise LookupError(type(error).__name__)
