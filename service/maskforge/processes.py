"""Spreads photos over processes: one for each core, each with a predictor of its own that computes with one thread.

Two threads in one graph are slower than two graphs of one thread each (lite0's decoder: 28 ms a prompt with two
threads, 18 with one, on two cores), and scaling up masks and looking for clicks has but one thread anyway.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from multiprocessing import get_context
from typing import Any, TypeVar

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
Prepare = Callable[[], AbstractContextManager[Callable[[Item], Result]]]
"""Gives what is done with each item; called once a process, so it is pickled: no lambda."""

_prepare: list[Prepare[Any, Any]] = []
"""Of a process of the pool: how it makes itself ready."""


@cache
def _work() -> Callable[[Any], Any]:
    """Open what a process of the pool needs, once; its end closes it.

    With the first item, not when the process begins: what goes wrong then would only be told as a broken pool.
    """
    return _prepare[-1]().__enter__()


def over_all(prepare: Prepare[Item, Result], items: Sequence[Item], processes: int) -> list[Result]:
    """Do the same with every item; results are in the order of the items."""
    return list(_told(_results(prepare, items, processes), len(items)))


def _results(prepare: Prepare[Item, Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    if processes == 1:
        with prepare() as work:
            yield from map(work, items)
        return
    # Not forked: threads of torch and OpenVINO would be missing in the copies.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_begin, initargs=(prepare,)) as pool:
        yield from pool.map(_do, items)


def _begin(prepare: Prepare[Any, Any]) -> None:
    _prepare.append(prepare)


def _do(item: Any) -> Any:  # noqa: ANN401
    return _work()(item)


def _told(results: Iterator[Result], total: int) -> Iterator[Result]:
    for number, result in enumerate(results, start=1):
        if number % 10 == 0 or number == total:
            log.info("%d of %d photos", number, total)
        yield result
