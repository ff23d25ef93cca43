"""When a call is tried again, and after how long."""

from __future__ import annotations

import asyncio
import random
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from maskgate.domain.call import Deadline
from maskgate.domain.errors import Overloaded, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")

_FIRST_PAUSE = 0.1
_MOST_TOKENS = 10.0
_TOKENS_OF_SUCCESS = 0.1
"""In the long run one call in ten may be tried again: gRPC's own throttling has such a budget (gRFC A6)."""


def _jittered(seconds: float) -> float:
    """Never sooner than was asked for, and not all clients at once."""
    return seconds * random.uniform(1, 1.5)  # noqa: S311 - no secret


class Retries:
    """Tries calls again that the gateway was too busy for or could not serve, if that makes sense within their time.

    All calls of the contract may be repeated: images are named by their content, and what is computed twice is the
    same.

    Args:
        attempts: How often a call is tried in all.
        sleep: Waits for some seconds.
        jittered: Makes a pause somewhat longer.
    """

    def __init__(
        self,
        attempts: int,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jittered: Callable[[float], float] = _jittered,
    ) -> None:
        self._attempts = attempts
        self._sleep = sleep
        self._jittered = jittered
        self._tokens = _MOST_TOKENS

    async def __call__(self, ask: Callable[[float], Awaitable[_T]], *, seconds: float) -> _T:
        """Ask, with the seconds that are left, until there is an answer.

        Raises:
            MaskgateError: What the last attempt failed with.
        """
        deadline = Deadline.after(seconds)
        for attempt in count(1):
            try:
                answer = await ask(deadline.remaining())
            except (Overloaded, Unavailable) as error:
                await self.pause(error, attempt=attempt, deadline=deadline)
            else:
                self._tokens = min(_MOST_TOKENS, self._tokens + _TOKENS_OF_SUCCESS)
                break
        return answer

    async def pause(self, error: Overloaded | Unavailable, *, attempt: int, deadline: Deadline) -> None:
        """Wait before the next attempt. Raises the error where there is none."""
        pause = self._jittered(error.retry_after or _FIRST_PAUSE * 2 ** (attempt - 1))
        if attempt >= self._attempts or self._tokens < 1 or pause >= deadline.remaining():
            raise error
        self._tokens -= 1
        await self._sleep(pause)
