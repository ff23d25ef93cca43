"""What a generation tells while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskgate.domain.generation.candidates import CandidateId
    from maskgate.domain.generation.cursor import Cursor
    from maskgate.domain.image import ImageSize, Region
    from maskgate.domain.output import RenderedMask
    from maskgate.domain.prompt import Point
    from maskgate.domain.timing import Timing


@dataclass(frozen=True, slots=True)
class GeneratedMask:
    """A mask and where it came from.

    Attributes:
        id: Names it.
        mask: At the size of the whole image; its logits, if they are asked for, are in the frame of the crop.
        point: The point that found it, in pixels of the image.
        crop: The crop that it was found in.
    """

    id: CandidateId
    mask: RenderedMask
    point: Point
    crop: Region


@dataclass(frozen=True, slots=True)
class WithdrawnMask:
    """A mask that is no longer part of the result, and the better one in its place."""

    id: CandidateId
    replaced_by: CandidateId


@dataclass(frozen=True, slots=True)
class GenerationProgress:
    """How far the work is: prompts that were decoded, prompts in all, and masks that passed the filters so far."""

    prompts_done: int
    prompts_total: int
    candidates: int

    def after(self, prompts: int, candidates: int) -> GenerationProgress:
        """Add a batch."""
        return GenerationProgress(self.prompts_done + prompts, self.prompts_total, self.candidates + candidates)


@dataclass(frozen=True, slots=True)
class GenerationSummary:
    """The end: how many masks the result has, the size of the oriented image, and where the time went."""

    masks: int
    size: ImageSize
    model: str
    timing: Timing


GenerationEvent = GeneratedMask | WithdrawnMask | GenerationProgress | GenerationSummary


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and the cursor with which the same request goes on after it."""

    event: GenerationEvent
    cursor: Cursor
