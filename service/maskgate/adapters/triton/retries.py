"""A second attempt where it may help and can do no harm: encoding and decoding change nothing, so both may be repeated.

The budget is what keeps a Triton that is overwhelmed from being sent twice as much.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from maskgate.adapters.triton.failures import Remedy, remedy
from maskgate.adapters.triton.watching import Retry
from maskgate.domain.errors import BackendUnavailable, MaskgateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from maskgate.adapters.triton.bounds import TritonBounds
    from maskgate.adapters.triton.endpoints import Endpoint
    from maskgate.adapters.triton.watching import Watcher
    from maskgate.domain.call import Deadline

_T = TypeVar("_T")

_RESERVE = 64.0
"""Retries at once: the calls that one restart of Triton can catch at work."""
_JITTER_SECONDS = 0.05


class Picking(Protocol):
    """Chooses an endpoint, but not the given one; none: there is no other."""

    def __call__(self, *, excluding: Endpoint[Any] | None = None) -> Endpoint[Any] | None:
        """Return the one to ask."""
        ...


@dataclass(frozen=True, slots=True)
class Errand(Generic[_T]):
    """Something to ask of one of the endpoints.

    Attributes:
        stage: What it is, for metrics.
        model: Which model it is about.
        deadline: Until when it is of use.
        pick: Which endpoints may be asked.
        send: Asks one.
    """

    stage: str
    model: str
    deadline: Deadline
    pick: Picking
    send: Callable[[Endpoint[Any]], Awaitable[_T]]


class RetryBudget:
    """So many retries for each call, in the long run, and a few more at once."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._reserve = _RESERVE if ratio > 0 else 0.0
        self._left = self._reserve

    def earn(self) -> None:
        """Note a call."""
        self._left = min(self._reserve, self._left + self._ratio)

    def spend(self) -> bool:
        """Take a retry, if one is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Dispatch:
    """Runs errands, each once, and once more where that may help.

    Args:
        bounds: How often that may be.
        watcher: Is told of it.
    """

    def __init__(self, bounds: TritonBounds, watcher: Watcher) -> None:
        self._budget = RetryBudget(bounds.retry_ratio)
        self._reconnect = bounds.reconnect
        self._watcher = watcher

    async def __call__(self, errand: Errand[_T]) -> _T:
        """Return the answer of an endpoint. Raises what `send` raises; BackendUnavailable if there is nobody to ask."""
        self._budget.earn()
        first = errand.pick()
        if first is None:
            raise BackendUnavailable(f"The model {errand.model!r} is being replaced.", model=errand.model)
        try:
            return await _run(errand, first)
        except MaskgateError as error:
            second = _second(errand, first, error)
            if second is None or not self._may_retry(errand):
                raise
        if second is first:
            with first.at_work():  # else its connections may be closed meanwhile, as those of one that has gone
                await _reconnected(first, errand.deadline.within(self._reconnect))
        return await self._again(errand, second)

    def _may_retry(self, errand: Errand[_T]) -> bool:
        left = self._budget.spend()
        if not left:
            self._watcher.retried(errand.stage, Retry.REFUSED)
        return left

    async def _again(self, errand: Errand[_T], endpoint: Endpoint[Any]) -> _T:
        try:
            answer = await _run(errand, endpoint)
        except MaskgateError:
            self._watcher.retried(errand.stage, Retry.FAILED)
            raise
        self._watcher.retried(errand.stage, Retry.RECOVERED)
        return answer


async def _run(errand: Errand[_T], endpoint: Endpoint[Any]) -> _T:
    with endpoint.at_work():
        try:
            answer = await errand.send(endpoint)
        except BackendUnavailable:
            endpoint.rest(errand.model)
            raise
    endpoint.wake(errand.model)
    return answer


def _second(errand: Errand[_T], failed: Endpoint[Any], error: MaskgateError) -> Endpoint[Any] | None:
    """Choose whom to ask after a failure: somebody else, or the same again if only the connection was lost."""
    remedied = remedy(error)
    if remedied is Remedy.NONE or errand.deadline.remaining() <= 0:
        return None
    other = errand.pick(excluding=failed)
    return failed if other is None and remedied is Remedy.ANYWHERE else other


async def _reconnected(endpoint: Endpoint[Any], deadline: Deadline) -> None:
    """Give a Triton that was restarted a moment, and each of those who wait another one."""
    await asyncio.sleep(min(random.uniform(0, _JITTER_SECONDS), deadline.remaining()))  # noqa: S311 - no secret
    await endpoint.connected(seconds=deadline.remaining())
