"""What a prompt is answered with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskgate.domain.image import ImageSize
    from maskgate.domain.output import RenderedMask
    from maskgate.domain.prompt import Prompt
    from maskgate.domain.timing import Timing


@dataclass(frozen=True, slots=True)
class Answer:
    """The masks that a prompt means.

    Attributes:
        found: The masks with all that is known of each, highest predicted IoU first; at least one.
        prompt: What was pointed at.
        model: The model that answered.
        size: Width and height of the oriented image, and of its masks.
        timing: Where the time went, on the gateway's clock.
    """

    found: tuple[RenderedMask, ...]
    prompt: Prompt
    model: str
    size: ImageSize
    timing: Timing

    @property
    def best(self) -> RenderedMask:
        """The mask of the highest predicted IoU."""
        return self.found[0]

    @property
    def masks(self) -> npt.NDArray[np.bool_]:
        """All masks, bool [N, H, W], highest predicted IoU first."""
        return np.stack([mask.pixels for mask in self.found])

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """The predicted IoU of each, float32 [N]."""
        return np.array([mask.predicted_iou for mask in self.found], np.float32)
