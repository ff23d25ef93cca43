"""The one seam where Triton's and gRPC's errors become ours.

The texts are Triton's own, as 2.51 was measured to put them on the wire. The end-to-end tests provoke a server that is
gone and one that comes back, a model that cannot be loaded, one whose process has died, and one that raises;
tests/integration/stack/test_queue.py a queue that is full, and one that takes too long. An UNAVAILABLE with another
text is a connection that was lost.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING

import grpc
from tritonclient.utils import InferenceServerException

from maskgate.domain.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    InferenceFailed,
    MaskgateError,
    ModelNotFound,
    Overloaded,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUEUE_FULL = "exceeds maximum queue size"
_QUEUE_EXPIRED = "request timeout expired"
# What a restarted Triton says of a region that it was told of before; with NOT_FOUND, as of a model that is not there.
_REGION_LOST = "unable to find shared memory region"
# A server that starts or stops, or could not load the model, knows it but has no version of it ready. One whose process
# has died is "not healthy": Triton's Python backend says so with INTERNAL, a second after each call.
_NOT_READY = ("no available versions", "is not ready", "is not healthy", "unloaded", "server exiting")
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.CANCELLED)


class Remedy(Enum):
    """Where a second attempt may help after a failure."""

    NONE = auto()
    ELSEWHERE = auto()
    """At another Triton: this one is full, stops, or does not serve the model."""
    ANYWHERE = auto()
    """Also at the same one: nothing but the connection was lost."""


@contextmanager
def translated(model: str) -> Iterator[None]:
    """Turn what a call about a model raises into a MaskgateError."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise _translate(error.code(), error.details() or "", model) from error
    except InferenceServerException as error:
        raise _translate(_code_of(error), error.message() or "", model) from error


@contextmanager
def described(model: str) -> Iterator[None]:
    """Do the same for a call that asks about a model: whoever does not say what it serves in time is away."""
    try:
        with translated(model):
            yield
    except DeadlineExceeded as error:
        raise BackendUnavailable("The inference server does not answer in time.", model=model) from error


def remedy(error: MaskgateError) -> Remedy:
    """Say where a second attempt may help after what `translated` has raised."""
    if isinstance(error, BackendUnavailable):
        return Remedy.ANYWHERE if _is_connection_lost(error.__cause__) else Remedy.ELSEWHERE
    return Remedy.ELSEWHERE if isinstance(error, Overloaded) else Remedy.NONE


def _is_connection_lost(cause: BaseException | None) -> bool:
    """Say whether that is gRPC's own UNAVAILABLE, with no text of Triton's."""
    if isinstance(cause, grpc.aio.AioRpcError):
        code, text = cause.code(), cause.details() or ""
    elif isinstance(cause, InferenceServerException):
        code, text = _code_of(cause), cause.message() or ""
    else:
        return False
    return code is grpc.StatusCode.UNAVAILABLE and not any(hint in text.lower() for hint in _NOT_READY)


def _translate(code: grpc.StatusCode, details: str, model: str) -> MaskgateError:
    text = details.lower()
    if _REGION_LOST in text:
        return BackendUnavailable("The inference server has been restarted.", model=model)
    if code is grpc.StatusCode.NOT_FOUND and not any(hint in text for hint in _NOT_READY):
        return ModelNotFound(f"There is no model {model!r}.", model=model)
    return _queued_in_vain(code, text, model) or _away(code, text, model) or _failed(model)


def _queued_in_vain(code: grpc.StatusCode, text: str, model: str) -> MaskgateError | None:
    if code is grpc.StatusCode.UNAVAILABLE and _QUEUE_FULL in text:
        return Overloaded(f"The queue of the model {model!r} is full.", model=model)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED or _QUEUE_EXPIRED in text:
        return DeadlineExceeded(f"The model {model!r} did not answer in time.", model=model)
    return None


def _away(code: grpc.StatusCode, text: str, model: str) -> MaskgateError | None:
    if any(hint in text for hint in _NOT_READY):
        return BackendUnavailable(f"The inference server does not serve the model {model!r} at present.", model=model)
    if code in _AWAY:
        return BackendUnavailable("The inference server cannot be reached.", model=model)
    return None


def _failed(model: str) -> MaskgateError:
    return InferenceFailed(f"The model {model!r} failed.", model=model)


def is_region_lost(error: BackendUnavailable) -> bool:
    """Say whether Triton does not know the shared region that a request named, so that it has not been executed."""
    cause = error.__cause__
    return isinstance(cause, grpc.aio.AioRpcError) and _REGION_LOST in (cause.details() or "").lower()


def is_away(error: InferenceServerException) -> bool:
    """Say whether the server was not there to be asked, rather than said no.

    A protocol that is restricted (`--grpc-restricted-protocol`) is refused with UNAVAILABLE as well.
    """
    code, text = _code_of(error), (error.message() or "").lower()
    return code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED} and "restricted" not in text


def _code_of(error: InferenceServerException) -> grpc.StatusCode:
    name = str(error.status()).removeprefix("StatusCode.")
    return getattr(grpc.StatusCode, name, grpc.StatusCode.UNKNOWN)
