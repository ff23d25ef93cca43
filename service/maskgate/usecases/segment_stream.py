"""Answer prompts at the rate of a mouse: hovering and dragging, where the newest prompt counts."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.errors import InferenceFailed, InvalidRequest, MaskgateError, Unavailable
from maskgate.domain.stream import StreamPrompt, StreamTarget
from maskgate.domain.tenant import Quota
from maskgate.domain.timing import Timing
from maskgate.usecases.newest_wins import NewestWins
from maskgate.usecases.within import within

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from maskgate.domain.call import Call
    from maskgate.domain.output import RenderedMask
    from maskgate.ports import InferenceBackend
    from maskgate.usecases.charge_tenant import ChargeTenant
    from maskgate.usecases.embed_image import Effort, EmbedImage
    from maskgate.usecases.segment import Segment

READY = 0
"""The sequence of the answer that says that a target is ready."""

_END_THE_STREAM = (Unavailable, InferenceFailed)
"""Failures of the service, which the next prompt would meet again, and of which operators want to know."""


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """One answer.

    Attributes:
        sequence: That of the prompt; READY where the target is ready for prompts.
        masks: As in a Segmentation; empty with an error and for a target.
        timing: Where the time went; None with an error.
        error: Why the prompt failed.
        superseded: Prompts that came since the answer before and get none: newer ones took their places.
        cancelled: How many of those were being decoded, or waited for that, when they were given up.
    """

    sequence: int
    masks: tuple[RenderedMask, ...] = ()
    timing: Timing | None = None
    error: MaskgateError | None = None
    superseded: int = 0
    cancelled: int = 0


class Holds:
    """How many embeddings all streams together may hold for longer than a prompt takes.

    Args:
        places: How many there are.
    """

    def __init__(self, places: int) -> None:
        self._places = places

    def take(self, stack: AsyncExitStack) -> bool:
        """Take a place until the stack is left, if there is one."""
        if self._places <= 0:
            return False
        self._places -= 1
        stack.callback(self._give_back)
        return True

    def _give_back(self) -> None:
        self._places += 1


class SegmentStream:
    """Hold the target's embedding, then segment by prompts, the newest first.

    Args:
        segment: Answers one prompt.
        embed: Brings a target's embedding to hand.
        backend: Knows the models.
        charge: Counts each prompt that is answered as a call, and each target after the first.
        holds: Embeddings that are held between prompts; beyond them a prompt that comes late may fetch its own again.
        default_model: The model of targets that name none.
        prompt_seconds: The deadline of each prompt and target.
    """

    def __init__(
        self,
        *,
        segment: Segment,
        embed: EmbedImage,
        backend: InferenceBackend,
        charge: ChargeTenant,
        holds: Holds,
        default_model: str,
        prompt_seconds: float,
    ) -> None:
        self._segment = segment
        self._embed = embed
        self._backend = backend
        self._charge = charge
        self._holds = holds
        self._default_model = default_model
        self._prompt_seconds = prompt_seconds

    async def __call__(
        self, messages: AsyncIterator[StreamTarget | StreamPrompt], *, call: Call
    ) -> AsyncGenerator[StreamAnswer, None]:
        """Answer until the messages end and the last prompt is answered; what they raise is raised after that.

        Raises:
            InvalidRequest: A prompt came before any target, or its sequence does not grow.
            ImageNotFound, ModelNotFound, Overloaded, DeadlineExceeded: As Segment, of a target.
            QuotaExceeded: A target is one call too many.
            Unavailable, InferenceFailed: As Segment, of a target or a prompt.
        """
        async with AsyncExitStack() as held:
            newest = NewestWins(partial(self._work, held=held, call=call))
            async with _reading(messages, newest), aclosing(newest.outcomes()) as outcomes:
                async for outcome in outcomes:
                    lost = outcome.superseded + outcome.cancelled
                    yield replace(outcome.result, superseded=lost, cancelled=outcome.cancelled)

    async def _work(self, asked: _Asked, *, held: AsyncExitStack, call: Call) -> StreamAnswer:
        if asked.prompt is None:
            return await self._open(asked, held, call)
        return await self._answer(asked.target, asked.prompt, call)

    async def _open(self, asked: _Asked, held: AsyncExitStack, call: Call) -> StreamAnswer:
        """Bring a target's embedding to hand, in the place of the one before."""
        started = perf_counter()
        await held.aclose()
        async with within(self._prompt_seconds), AsyncExitStack() as opening:
            if not asked.is_first:
                await self._charge(call.tenant, Quota.CALLS, 1)
            spec = await self._backend.spec(asked.target.model or self._default_model)
            embedded = await opening.enter_async_context(self._embed(asked.target.image_id, spec, call=call))
            if self._holds.take(opening):
                held.push_async_exit(opening.pop_all())
        return StreamAnswer(READY, timing=_timing(embedded.effort, total=perf_counter() - started))

    async def _answer(self, target: StreamTarget, prompt: StreamPrompt, call: Call) -> StreamAnswer:
        try:
            async with within(self._prompt_seconds):
                await self._charge(call.tenant, Quota.CALLS, 1)
                own = replace(call, deadline=call.deadline.or_after(self._prompt_seconds))
                found = await self._segment(target.query(prompt), call=own)
        except _END_THE_STREAM:
            raise
        except MaskgateError as error:
            return StreamAnswer(prompt.sequence, error=error)
        return StreamAnswer(prompt.sequence, found.masks, found.timing)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A prompt about a target, or the target itself; the call that opened the stream has paid for the first."""

    target: StreamTarget
    prompt: StreamPrompt | None = None
    is_first: bool = False


@asynccontextmanager
async def _reading(
    messages: AsyncIterator[StreamTarget | StreamPrompt], newest: NewestWins[_Asked, StreamAnswer]
) -> AsyncIterator[None]:
    """Read beside the answers; once all are given, raise what ended the reading."""
    reading = asyncio.create_task(_read(messages, newest), name="read a stream")
    try:
        yield
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(messages: AsyncIterator[StreamTarget | StreamPrompt], newest: NewestWins[_Asked, StreamAnswer]) -> None:
    target, last = None, READY
    try:
        async for message in messages:
            if isinstance(message, StreamTarget):
                newest.start_afresh(_Asked(message, is_first=target is None))
                target = message
            else:
                newest.offer(_about(target, message, after=last))
                last = message.sequence
    finally:
        newest.end()


def _about(target: StreamTarget | None, prompt: StreamPrompt, *, after: int) -> _Asked:
    if target is None:
        raise InvalidRequest("The first message of a stream must be a target.", field="prompt")
    if prompt.sequence <= after:
        raise InvalidRequest(
            f"The sequence {prompt.sequence} is not more than {after}.", field="prompt.sequence", after=after
        )
    return _Asked(target, prompt)


def _timing(effort: Effort, *, total: float) -> Timing:
    return Timing(effort.tier, effort.queue, effort.encode, decode=0.0, postprocess=0.0, total=total)
