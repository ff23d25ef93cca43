"""Wait for an encoder that is being started: whoever has the time for that, and as many as there will be room for."""

from __future__ import annotations

from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from maskgate.domain.errors import EncoderStarting
from maskgate.usecases.within import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from maskgate.domain.call import Call
    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.ports import EmbeddingWatcher, InferenceBackend

_T = TypeVar("_T")


class AwaitEncoder:
    """Does something again when there is an encoder.

    Args:
        backend: Knows when that is.
        places: How many images may wait at once, however many calls want each: those that find a place afterwards.
        watcher: Is told which.
    """

    def __init__(self, backend: InferenceBackend, *, places: int, watcher: EmbeddingWatcher) -> None:
        self._backend = backend
        self._places = places
        self._watcher = watcher
        self._wanted: Counter[EmbeddingKey] = Counter()

    async def __call__(self, key: EmbeddingKey, work: Callable[[], Awaitable[_T]], call: Call) -> tuple[_T, float]:
        """Return what `work` returns, and the seconds that were waited for an encoder.

        Raises:
            EncoderStarting: None will be there in the time that the caller has, or too many images wait already.
            DeadlineExceeded: It took longer than was foreseen.
        """
        waited = 0.0
        while True:
            try:
                return await work(), waited
            except EncoderStarting as error:
                if not (self._has_time(error, call) and self._has_room(key)):
                    raise
                waited += await self._wait(key, call)

    @staticmethod
    def _has_time(error: EncoderStarting, call: Call) -> bool:
        return call.deadline.remaining() > (error.retry_after or 0.0)

    def _has_room(self, key: EmbeddingKey) -> bool:
        return key in self._wanted or len(self._wanted) < self._places

    async def _wait(self, key: EmbeddingKey, call: Call) -> float:
        started = perf_counter()
        self._wanted[key] += 1
        try:
            with self._watcher.pending(key):
                async with within(call.deadline.remaining()):
                    await self._backend.wait_for_encoder(key.model)
        finally:
            self._wanted[key] -= 1
            self._wanted += Counter()  # leaves out what nobody waits for
        return perf_counter() - started
