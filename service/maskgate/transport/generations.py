"""What is counted of generations, whatever the protocol."""

from __future__ import annotations

from contextlib import aclosing
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from maskgate.domain.generation.events import GenerationProgress, GenerationSummary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from maskgate.domain.call import Call
    from maskgate.domain.generation.events import Told
    from maskgate.domain.generation.query import GenerationQuery
    from maskgate.telemetry import GenerationMetrics


class Generations(Protocol):
    """Finds everything; see GenerateMasks."""

    def __call__(self, query: GenerationQuery, *, call: Call) -> AsyncGenerator[Told, None]:
        """Tell what is found."""
        ...


class CountedGenerations:
    """Counts what passes through."""

    def __init__(self, inner: Generations, *, metrics: GenerationMetrics) -> None:
        self._inner = inner
        self._metrics = metrics

    async def __call__(self, query: GenerationQuery, *, call: Call) -> AsyncGenerator[Told, None]:
        """See Generations."""
        began, before = perf_counter(), None if query.cursor else GenerationProgress(0, 0, 0)
        async with aclosing(self._inner(query, call=call)) as events:
            async for told in events:
                if isinstance(told.event, GenerationProgress):
                    self._progressed(before or told.event, told.event)
                    before = told.event
                elif isinstance(told.event, GenerationSummary):
                    self._metrics.masks.inc(told.event.masks)
                    self._metrics.seconds.observe(perf_counter() - began)
                yield told

    def _progressed(self, before: GenerationProgress, now: GenerationProgress) -> None:
        self._metrics.prompts.inc(now.prompts_done - before.prompts_done)
        self._metrics.candidates.inc(now.candidates - before.candidates)
