"""How little a mask changes with its threshold: SAM's score, and SAM 2's rule for choosing by it.

Both count low-resolution logits, and only those that the image covers. The reference scores a mask of its automatic
mask generator after it has been upscaled; that is done here only where the score decides and is in doubt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from maskgate.domain.prompt import Multimask
from maskgate.domain.upscale import upscaled_area

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskgate.domain.frame import Frame
    from maskgate.domain.mask import DecodedMasks

SAM_OFFSET = 1.0
"""segment_anything/automatic_mask_generator.py, `stability_score_offset`."""
SAM2_DELTA = 0.05
"""sam2/modeling/sam/mask_decoder.py, `dynamic_multimask_stability_delta`."""
SAM2_THRESHOLD = 0.98
"""Likewise, `dynamic_multimask_stability_thresh`."""
_DOUBT = 2.0
"""How far scores at both sizes may be apart, times the square root of the mask's logits: it is along the edges that the
counts differ. 1.3 for 99 of 100 masks of lite0 on a photo, 1.5 for masks with edges of one logit."""
_SIGN = 1 << 15
"""The bit that makes an fp16 number negative."""


@dataclass(frozen=True, slots=True)
class _Areas:
    """How many pixels a mask has with a higher threshold and with a lower one; the first are among the second."""

    inner: int
    outer: int


def stability_score(logits: npt.NDArray[np.float16], frame: Frame, *, offset: float = SAM_OFFSET) -> float:
    """Score a mask: its area with the threshold at `offset` by that with the threshold at `-offset`.

    This is segment_anything/utils/amg.py, `calculate_stability_score`, with its threshold of 0, but for a mask that is
    empty either way, whose score is NaN there: it is 0 here, which JSON can say.

    Args:
        logits: fp16 [M, M].
        frame: Where the image lies in the model's square.
        offset: Distance of both thresholds from 0.

    Returns:
        0 to 1; 1 is a mask that the threshold does not change.
    """
    areas = _areas(logits, frame, offset)
    return areas.inner / areas.outer if areas.outer else 0.0


def resolved(decoded: DecodedMasks, multimask: Multimask, frame: Frame) -> DecodedMasks:
    """Return the masks that are meant: all that were selected, or the one that SAM 2's rule chooses of them."""
    return resolve_stable(decoded, frame) if multimask is Multimask.STABLE else decoded


def upscaled_stability_score(logits: npt.NDArray[np.float16], frame: Frame, *, offset: float = SAM_OFFSET) -> float:
    """Score a mask as the reference's automatic mask generator does: by its areas at the size of the image.

    Takes a thousand times as long as `stability_score`; arguments and result are the same.
    """
    values = logits.astype(np.float32)
    outer = upscaled_area(values + np.float32(offset), frame)
    return upscaled_area(values - np.float32(offset), frame) / outer if outer else 0.0


def deciding_stability_score(
    logits: npt.NDArray[np.float16], frame: Frame, threshold: float, *, offset: float = SAM_OFFSET
) -> float:
    """Score a mask so that it is on that side of a threshold on which the reference's score is.

    At the size of the image if the score of the logits is too near to tell; arguments and result are otherwise those of
    `stability_score`. No score is below a threshold of 0.
    """
    areas = _areas(logits, frame, offset)
    score = areas.inner / areas.outer if areas.outer else 0.0
    if threshold > 0 and abs(score - threshold) * math.sqrt(areas.outer) < _DOUBT:
        return upscaled_stability_score(logits, frame, offset=offset)
    return score


def resolve_stable(decoded: DecodedMasks, frame: Frame) -> DecodedMasks:
    """Choose one mask of all tokens: the single one if it is stable, else the best of the ambiguous output.

    This is sam2/modeling/sam/mask_decoder.py, `_dynamic_multimask_via_stability`, with its numbers: a mask that is
    empty either way is stable, a score at the threshold is enough, and of equal predictions the first is the best.

    Args:
        decoded: The masks of tokens 0 to T - 1, in their order.
        frame: Where the image lies in the model's square.
    """
    areas = _areas(decoded.logits[0], frame, SAM2_DELTA)
    is_stable = not areas.outer or areas.inner / areas.outer >= SAM2_THRESHOLD
    chosen = 0 if is_stable else 1 + int(decoded.ious[1:].argmax())
    one = slice(chosen, chosen + 1)
    return replace(decoded, logits=decoded.logits[one], ious=decoded.ious[one], tokens=decoded.tokens[one])


def _areas(logits: npt.NDArray[np.float16], frame: Frame, offset: float) -> _Areas:
    """Count logits above `offset` and above `-offset`, by their bits.

    The bits of fp16 magnitudes are ordered as the magnitudes are. Comparing bits takes 16 microseconds a mask, numbers
    800, as numpy has no fp16 arithmetic; converting them first takes 115.
    """
    width, height = (max(1, round(side)) for side in frame.valid_in(logits.shape[-1]))
    valid = logits[:height, :width]
    below, above = _neighbours(offset)
    inner = np.count_nonzero(valid.view(np.int16) > below)
    outer = np.count_nonzero(valid.view(np.uint16) < _SIGN + above)
    return _Areas(int(inner), int(outer))


def _neighbours(offset: float) -> tuple[int, int]:
    """Return the bits of the largest fp16 number that is not above a positive one, and of the smallest not below."""
    nearest = np.float16(offset)
    bits = int(nearest.view(np.uint16))
    return bits - (float(nearest) > offset), bits + (float(nearest) < offset)
