"""What is counted of generations, whatever the protocol."""

from __future__ import annotations

from contextlib import aclosing
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from maskgate.domain.generation.events import GenerationProgress, GenerationSummary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from maskgate.domain.call import Call
    from maskgate.domain.generation.events import GenerationEvent
    from maskgate.domain.generation.query import GenerationQuery
    from maskgate.telemetry import GenerationMetrics


class Generations(Protocol):
    """Finds everything; see GenerateMasks."""

    def __call__(self, query: GenerationQuery, *, call: Call) -> AsyncGenerator[GenerationEvent, None]:
        """Tell what is found."""
        ...


class CountedGenerations:
    """Counts what passes through."""

    def __init__(self, inner: Generations, *, metrics: GenerationMetrics) -> None:
        self._inner = inner
        self._metrics = metrics

    async def __call__(self, query: GenerationQuery, *, call: Call) -> AsyncGenerator[GenerationEvent, None]:
        """See Generations."""
        began, before = perf_counter(), GenerationProgress(0, 0, 0)
        async with aclosing(self._inner(query, call=call)) as events:
            async for event in events:
                if isinstance(event, GenerationProgress):
                    self._metrics.prompts.inc(event.prompts_done - before.prompts_done)
                    self._metrics.candidates.inc(event.candidates - before.candidates)
                    before = event
                elif isinstance(event, GenerationSummary):
                    self._metrics.masks.inc(event.masks)
                    self._metrics.seconds.observe(perf_counter() - began)
                yield event
