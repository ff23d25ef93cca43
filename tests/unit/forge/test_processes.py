"""Imports little: other processes import it, too."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from maskforge.processes import over_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def _doubling() -> Iterator[Callable[[int], int]]:
    yield lambda number: 2 * number


@contextmanager
def _failing() -> Iterator[Callable[[int], int]]:
    raise FileNotFoundError(2, "No such file", "weights")
    yield


@pytest.mark.parametrize("processes", [1, 2])
def test_results_are_in_order(processes: int) -> None:
    """However many share the work."""
    assert [2, 4, 6] == over_all(_doubling, [1, 2, 3], processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_cannot_be_opened_is_told(processes: int) -> None:
    """The error of another process is the error itself."""
    with pytest.raises(FileNotFoundError, match="weights"):
        over_all(_failing, [1, 2, 3], processes)
