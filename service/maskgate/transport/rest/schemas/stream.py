"""Messages of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from maskgate.domain import stream as domain
from maskgate.domain.errors import InvalidRequest
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import CoordinateSpace, Multimask
from maskgate.transport import status
from maskgate.transport.rest.schemas.errors import ErrorDetail
from maskgate.transport.rest.schemas.masks import Mask
from maskgate.transport.rest.schemas.prompts import Prompt, Wishes
from maskgate.transport.rest.schemas.requests import Request
from maskgate.transport.rest.schemas.timing import Timing

if TYPE_CHECKING:
    from maskgate.usecases.segment_stream import StreamAnswer


class StreamTarget(Wishes):
    """What the prompts of a stream are about, and how they are answered."""

    image_id: str

    def to_domain(self) -> domain.StreamTarget:
        """Read it. Raises InvalidRequest."""
        return domain.StreamTarget(
            ImageId.parse(self.image_id),
            self.model,
            Multimask(self.multimask),
            CoordinateSpace(self.coordinates),
            self.output.to_domain(),
        )


class StreamPrompt(Request):
    """A prompt of a stream."""

    sequence: int = Field(description="The client's own number; it grows from prompt to prompt.")
    prompt: Prompt

    def to_domain(self) -> domain.StreamPrompt:
        """Leave what is pointed at to be read later."""
        return domain.StreamPrompt(self.sequence, self.prompt.to_domain)


class SegmentStreamRequest(Request):
    """One message of a client: exactly one of the fields."""

    target: StreamTarget | None = None
    prompt: StreamPrompt | None = None

    def to_domain(self) -> domain.StreamTarget | domain.StreamPrompt:
        """Read it. Raises InvalidRequest."""
        if self.target is not None and self.prompt is None:
            return self.target.to_domain()
        if self.prompt is not None and self.target is None:
            return self.prompt.to_domain()
        raise InvalidRequest("A message of a stream needs exactly one of target and prompt.")


class SegmentStreamResponse(BaseModel):
    """One answer."""

    sequence: int = Field(description="The prompt that is answered; 0: the newest target is ready for prompts.")
    masks: list[Mask] = Field(description="Highest predicted IoU first; empty with an error and for a target.")
    error: ErrorDetail | None = Field(description="Why the prompt failed. The stream goes on.")
    superseded: int = Field(description="Prompts since the answer before that get none.")
    timing: Timing | None = Field(description="Where the time went; null with an error.")

    @classmethod
    def of(cls, answer: StreamAnswer) -> SegmentStreamResponse:
        """Write an answer."""
        return cls(
            sequence=answer.sequence,
            masks=[Mask.of(mask) for mask in answer.masks],
            error=None if answer.error is None else ErrorDetail.of(status.told(answer.error)),
            superseded=answer.superseded,
            timing=None if answer.timing is None else Timing.of(answer.timing),
        )


class StreamEnd(BaseModel):
    """The last message of a stream that failed."""

    error: ErrorDetail
    retry_after: float | None = Field(description="Seconds after which a new stream may fare better, if it may.")

    @classmethod
    def of(cls, told: status.Told) -> StreamEnd:
        """Write why."""
        return cls(error=ErrorDetail.of(told), retry_after=told.retry_after)
