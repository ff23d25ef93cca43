"""What is asked of a generation."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.generation.settings import GenerationSettings
from maskgate.domain.output import MaskOutput

if TYPE_CHECKING:
    from maskgate.domain.image import ImageId


class Delivery(enum.Enum):
    """When masks are sent."""

    SETTLED = "settled"
    """Once no later mask can replace them."""
    AS_FOUND = "as_found"
    """As soon as they are found; one that a better mask replaces later is withdrawn."""


@dataclass(frozen=True, slots=True)
class GenerationQuery:
    """Asks for everything in an image.

    Attributes:
        image_id: The image.
        settings: What counts as a mask.
        model: Name of the model; empty means the server's default.
        delivery: When masks are sent.
        output: Which forms they are to come in.
        cursor: Where an interrupted generation goes on; empty where a new one begins.

    Raises:
        InvalidRequest: Handles are asked for: hundreds of masks that hardly anybody refines would push out those of
            clicks.
    """

    image_id: ImageId
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    model: str = ""
    delivery: Delivery = Delivery.SETTLED
    output: MaskOutput = field(default_factory=MaskOutput)
    cursor: str = ""

    def __post_init__(self) -> None:
        if self.output.handles:
            raise InvalidRequest("Masks of a generation have no handles.", field="output.mask_handles")
