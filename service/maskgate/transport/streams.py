"""What both skins do around every stream of prompts: its place, the metrics, and its end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from maskgate.domain.errors import DeadlineExceeded, Overloaded, ShuttingDown
from maskgate.usecases.segment_stream import READY

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from maskgate.domain.call import Call
    from maskgate.domain.stream import StreamPrompt, StreamTarget
    from maskgate.telemetry import StreamMetrics
    from maskgate.usecases.segment_stream import SegmentStream, StreamAnswer

_T = TypeVar("_T")

METHOD = "SegmentStream"
"""As gRPC, the metrics and the log call it."""


class Streams:
    """All streams that are open.

    Args:
        segment_stream: Answers them.
        metrics: Where to count.
        max_streams: Streams at once, over both protocols; further ones are refused.
        idle_seconds: A stream whose client says nothing for so long is ended.
    """

    def __init__(
        self, segment_stream: SegmentStream, *, metrics: StreamMetrics, max_streams: int, idle_seconds: float
    ) -> None:
        self._segment_stream = segment_stream
        self._metrics = metrics
        self._counters = _Counters(metrics)
        self._places = max_streams
        self._idle_seconds = idle_seconds
        self._silences: set[asyncio.Timeout] = set()
        self._open = 0
        self._all_closed = asyncio.Event()
        self._stopping = False

    async def answers(
        self, messages: AsyncIterator[StreamTarget | StreamPrompt], *, call: Call
    ) -> AsyncGenerator[StreamAnswer, None]:
        """Answer a stream; to be closed by who stops early.

        Raises:
            Overloaded: Too many streams are open.
            DeadlineExceeded: The client said nothing for too long.
            ShuttingDown: The gateway stops; what was asked before has been answered.
            MaskgateError: As SegmentStream says.
        """
        with self._place():
            async with aclosing(self._segment_stream(self._heard(messages), call=call)) as answers:
                async for answer in answers:
                    self._counters.count(answer)
                    yield answer
            self._refuse_when_stopping()

    async def stop(self, *, within: float) -> None:
        """End all streams as if their clients had said their last; their last answers get so many seconds."""
        self._stopping = True
        for silence in self._silences:
            if not silence.expired():
                silence.reschedule(0)
        if self._open:
            with suppress(TimeoutError):  # the servers end what is left
                await asyncio.wait_for(self._all_closed.wait(), within)

    @contextmanager
    def _place(self) -> Iterator[None]:
        self._refuse_when_stopping()
        if self._open >= self._places:
            raise Overloaded("Too many streams are open.")
        self._open += 1
        self._all_closed.clear()
        try:
            with self._metrics.open.track_inprogress():
                yield
        finally:
            self._open -= 1
            if not self._open:
                self._all_closed.set()

    def _refuse_when_stopping(self) -> None:
        if self._stopping:
            raise ShuttingDown("The gateway is being stopped.")

    async def _heard(self, messages: AsyncIterator[_T]) -> AsyncIterator[_T]:
        """Pass messages on until they end, the client is silent for too long, or the gateway stops."""
        while not self._stopping and (message := await self._next(messages)) is not None:
            yield message

    async def _next(self, messages: AsyncIterator[_T]) -> _T | None:
        silence = asyncio.timeout(self._idle_seconds)
        try:
            async with silence:
                self._silences.add(silence)
                return await anext(messages, None)
        except TimeoutError as error:
            if self._stopping:
                return None
            raise _idle(self._idle_seconds) from error
        finally:
            self._silences.discard(silence)


def _idle(seconds: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"The client said nothing for {seconds:.3g} s.", idle_seconds=f"{seconds:.3g}")


class _Counters:
    """What becomes of prompts, all of it exposed from the start."""

    def __init__(self, metrics: StreamMetrics) -> None:
        self._answered, self._superseded, self._cancelled, self._failed = [
            metrics.prompts.labels(result) for result in ("answered", "superseded", "cancelled", "failed")
        ]

    def count(self, answer: StreamAnswer) -> None:
        self._superseded.inc(answer.superseded - answer.cancelled)
        self._cancelled.inc(answer.cancelled)
        if answer.error is not None:
            self._failed.inc()
        elif answer.sequence != READY:
            self._answered.inc()
