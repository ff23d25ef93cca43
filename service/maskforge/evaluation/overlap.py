"""How far two masks agree."""

from typing import NamedTuple

from maskforge.annotations import Annotation, BoolMask


class Truth(NamedTuple):
    """A mask and which pixels count: bool [h,w]."""

    mask: BoolMask
    counted: BoolMask

    @classmethod
    def of(cls, annotation: Annotation) -> "Truth":
        """Decode what somebody has drawn."""
        return cls(annotation.mask(), ~annotation.ignored())


def iou(predicted: BoolMask, truth: Truth) -> float:
    """Return the intersection over union on the pixels that count; 1 if both are empty there."""
    overlap = int((predicted & truth.mask & truth.counted).sum())
    union = int(((predicted | truth.mask) & truth.counted).sum())
    return overlap / union if union else 1.0
