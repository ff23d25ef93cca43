"""Prompts at the rate of a mouse: whoever points never waits, and the newest prompt counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from maskgate.client._answers import to_masks, to_timing
from maskgate.client._asking import from_coordinates, from_multimask, from_output, from_prompt, prompt_of
from maskgate.client._errors import error_of_part
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Unpack

    from maskgate.client._asking import Pointing, Wanted
    from maskgate.client._gateway import Gateway
    from maskgate.domain.errors import MaskgateError
    from maskgate.domain.output import RenderedMask
    from maskgate.domain.prompt import CoordinateSpace, Prompt
    from maskgate.domain.timing import Timing


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """The answer to one prompt of a stream.

    Attributes:
        sequence: What `send` returned for the prompt.
        found: The masks, highest predicted IoU first; none with an error.
        error: Why the prompt failed; the stream goes on.
        timing: Where the time went; None with an error.
    """

    sequence: int
    found: tuple[RenderedMask, ...]
    error: MaskgateError | None
    timing: Timing | None


class AsyncStream:
    """A stream of prompts about one image; iterate over it for the answers, which come in order.

    Of prompts that come faster than they can be answered only the newest is; the last one always.
    """

    def __init__(self, gateway: Gateway, image_id: str, wanted: Wanted, coordinates: CoordinateSpace) -> None:
        self._gateway = gateway
        self._output = wanted.output
        self._target = pb.StreamTarget(
            image_id=image_id,
            model=wanted.model,
            multimask=from_multimask(wanted.multimask),
            coordinates=from_coordinates(coordinates),
            output=from_output(wanted.output),
        )
        self._coordinates = coordinates
        self._newest: tuple[int, Prompt] | None = None
        self._sequence = 0
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()
        self._finished = False

    async def __aenter__(self) -> Self:
        """Prompts can be sent."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say that no more prompts come. Answers that nobody iterates over are given up."""
        self.finish()

    def send(self, **asked: Unpack[Pointing]) -> int:
        """Point at something; return the number of the prompt at once. One that has not left yet is replaced.

        Raises:
            InvalidPrompt: Nothing is pointed at.
            ValueError: What is asked makes no sense.
        """
        in_space: Pointing = {"coordinates": self._coordinates, **asked}
        prompt = prompt_of(in_space)
        self._sequence += 1
        self._newest = (self._sequence, prompt)
        self._changed.set()
        return self._sequence

    def finish(self) -> None:
        """Say that no more prompts come: iterating ends with the answer to the last."""
        self._finished = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[StreamAnswer]:
        """Yield answers as they come. Raises MaskgateError."""
        responses = self._gateway.listen(self._gateway.segmentation.SegmentStream, self._messages())
        try:
            async for response in responses:
                self._ready.set()
                if response.sequence:
                    yield self._to_answer(response)
        finally:
            self._ready.set()  # after the end nothing is sent any more

    async def _messages(self) -> AsyncIterator[pb.SegmentStreamRequest]:
        """Say what it is about; when that is ready, the newest prompt.

        grpc.aio tells who still writes when the server ends the call INTERNAL, in place of what the server has said.
        """
        yield pb.SegmentStreamRequest(target=self._target)
        await self._ready.wait()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._newest is not None:
                sequence, prompt = self._newest
                self._newest = None
                yield pb.SegmentStreamRequest(prompt=pb.StreamPrompt(sequence=sequence, prompt=from_prompt(prompt)))
            if self._finished and self._newest is None:
                return

    def _to_answer(self, response: pb.SegmentStreamResponse) -> StreamAnswer:
        failed = response.HasField("error")
        return StreamAnswer(
            response.sequence,
            to_masks(response.masks, self._output),
            error_of_part(response.error) if failed else None,
            to_timing(response.timing) if response.HasField("timing") else None,
        )
