from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from maskgate.domain import errors
from maskgate.domain.errors import MaskgateError
from maskgate.transport import status

if TYPE_CHECKING:
    from collections.abc import Iterator


def below(parent: type[MaskgateError]) -> Iterator[type[MaskgateError]]:
    for child in parent.__subclasses__():
        yield child
        yield from below(child)


EVERY_ERROR = sorted(set(below(MaskgateError)), key=lambda error: error.__name__)


@pytest.mark.parametrize("error", EVERY_ERROR)
def test_every_error_has_a_status(error: type[MaskgateError]) -> None:
    """The table from errors to codes is total, and so is the one from codes to HTTP."""
    code = status.code_of(error("message"))

    assert code in status.HTTP_STATUS


@pytest.mark.parametrize("error", EVERY_ERROR)
def test_every_error_has_a_reason_of_its_own(error: type[MaskgateError]) -> None:
    """A reason tells one error from all others, and is its class's name in capitals."""
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in error.__name__).lstrip("_")

    assert words.upper() == error.reason
    assert [error] == [other for other in EVERY_ERROR if other.reason == error.reason]


def test_the_tree_is_drawn() -> None:
    """The tree at the top of the module shows every error."""
    drawn = {line.strip("├└─│ ") for line in (errors.__doc__ or "").splitlines() if "──" in line}

    assert {error.__name__ for error in EVERY_ERROR} == drawn


def test_http_follows_google_rpc_code() -> None:
    """HTTP statuses are those that google/rpc/code.proto gives to the codes."""
    expected = {
        "OK": 200,
        "INVALID_ARGUMENT": 400,
        "UNAUTHENTICATED": 401,
        "NOT_FOUND": 404,
        "RESOURCE_EXHAUSTED": 429,
        "CANCELLED": 499,
        "INTERNAL": 500,
        "UNAVAILABLE": 503,
        "DEADLINE_EXCEEDED": 504,
    }

    assert expected == {code.name: http for code, http in status.HTTP_STATUS.items()}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ImageTooLarge, grpc.StatusCode.INVALID_ARGUMENT),
        (errors.ModelNotFound, grpc.StatusCode.NOT_FOUND),
        (errors.Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (errors.StoreUnavailable, grpc.StatusCode.UNAVAILABLE),
        (errors.DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED),
        (errors.InferenceFailed, grpc.StatusCode.INTERNAL),
    ],
)
def test_a_leaf_has_the_code_of_its_branch(error: type[MaskgateError], code: grpc.StatusCode) -> None:
    """An error without a line of its own in the table takes that of its nearest ancestor."""
    assert code is status.code_of(error("message"))


def test_a_hole_is_told() -> None:
    """The root itself has no status: it is never raised."""
    with pytest.raises(LookupError, match="MaskgateError"):
        status.code_of(MaskgateError("message"))


@pytest.mark.parametrize("error", EVERY_ERROR)
def test_only_what_may_succeed_later_is_retried(error: type[MaskgateError]) -> None:
    """A client is told to try again after a full queue and while something is away, and never otherwise."""
    told = status.told(error("message"))

    assert (told.retry_after is not None) == (told.code.name in {"RESOURCE_EXHAUSTED", "UNAVAILABLE"})


@pytest.mark.parametrize(("foreseen", "told"), [(0, 0.1), (2.5, 2.5), (3600, 30)])
def test_when_to_try_again(foreseen: float, told: float) -> None:
    """An overloaded tier says when, within reason."""
    assert told == status.told(errors.Overloaded("message", retry_after=foreseen)).retry_after
