"""What is asked of the use cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maskgate.domain.output import MaskOutput
from maskgate.domain.prompt import Multimask

if TYPE_CHECKING:
    from maskgate.domain.image import ImageId
    from maskgate.domain.prompt import Prompt


@dataclass(frozen=True, slots=True)
class SegmentQuery:
    """Asks for the masks that a prompt means.

    Attributes:
        image_id: The image.
        prompt: What is pointed at.
        multimask: How many masks are wanted.
        model: Name of the model; empty means the server's default.
        output: Which forms the masks are to come in.
    """

    image_id: ImageId
    prompt: Prompt
    multimask: Multimask = Multimask.AUTO
    model: str = ""
    output: MaskOutput = field(default_factory=MaskOutput)
