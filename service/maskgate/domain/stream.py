"""What a client says on a stream of prompts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from maskgate.domain.output import MaskOutput
from maskgate.domain.prompt import CoordinateSpace, Multimask
from maskgate.domain.query import SegmentQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskgate.domain.image import ImageId
    from maskgate.domain.prompt import Prompt


@dataclass(frozen=True, slots=True)
class StreamPrompt:
    """A prompt of a stream.

    Attributes:
        sequence: The client's own number; it grows from prompt to prompt.
        read: Reads what is pointed at, in the coordinates of the target. It is called when it is the prompt's turn, so
            that a superseded one is never read. Raises InvalidRequest.
    """

    sequence: int
    read: Callable[[CoordinateSpace], Prompt]


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """What the prompts of a stream are about; the fields are those of a SegmentQuery.

    Masks have handles only where they are asked for: one that is hovered past is not refined.
    """

    image_id: ImageId
    model: str = ""
    multimask: Multimask = Multimask.AUTO
    coordinates: CoordinateSpace = CoordinateSpace.PIXELS
    output: MaskOutput = field(default_factory=MaskOutput)

    def query(self, prompt: StreamPrompt) -> SegmentQuery:
        """Ask for the masks that a prompt means here. Raises InvalidRequest."""
        output = replace(self.output, handles=bool(self.output.handles))
        return SegmentQuery(self.image_id, prompt.read(self.coordinates), self.multimask, self.model, output)
