"""Masks: what a decoder answers, and what becomes of it at the size of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from maskgate.domain.runs import Runs
from maskgate.domain.stability import stability_score
from maskgate.domain.upscale import upscaled_blocks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Buffer

    from maskgate.domain.frame import Frame
    from maskgate.domain.prompt import Box
    from maskgate.domain.rle import Rle


@dataclass(frozen=True, slots=True)
class DecodedMasks:
    """What a mask decoder answers to one prompt.

    Attributes:
        logits: fp16 [N, M, M], low-resolution masks in the model's square frame; above 0 is foreground.
        ious: float32 [N], predicted intersection over union of each.
        tokens: Which of the decoder's outputs each one is: 0 the single mask, 1 to T - 1 those of the ambiguous output.
    """

    logits: npt.NDArray[np.float16]
    ious: npt.NDArray[np.float32]
    tokens: tuple[int, ...]

    def logits_to_keep(self, token: int) -> npt.NDArray[np.float16]:
        """Return one of them, fp16 [M, M]: a view of a lone mask, a copy of one that would keep others in memory."""
        logits: npt.NDArray[np.float16] = self.logits[self.tokens.index(token)]
        buffer = cast("Buffer", logits.base)  # of the reply, or an array of all
        return logits if memoryview(buffer).nbytes == logits.nbytes else logits.copy()


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A mask at the size of the oriented image, kept as its runs: pixels are a thousand times as large.

    Attributes:
        runs: The pixels.
        logits: fp16 [M, M], what they were made of.
        frame: Where the image lies in the model's square.
        predicted_iou: The model's estimate of the intersection over union with what was meant.
        token: Which of the decoder's outputs it is.
    """

    runs: Runs
    logits: npt.NDArray[np.float16]
    frame: Frame
    predicted_iou: float
    token: int

    @classmethod
    def from_logits(cls, logits: npt.NDArray[np.float16], *, iou: float, frame: Frame, token: int = 0) -> Mask:
        """Upscale logits fp16 [M, M] to a mask of the original image."""
        return cls(Runs.collect(frame.original, upscaled_blocks(logits, frame)), logits, frame, iou, token)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.runs.area

    @property
    def box(self) -> Box | None:
        """The smallest rectangle around the mask; None where it is empty."""
        return self.runs.box

    @property
    def rle(self) -> Rle:
        """The pixels as COCO writes them."""
        return self.runs.rle()

    @property
    def stability_score(self) -> float:
        """How little the mask changes with its threshold, 0 to 1."""
        return stability_score(self.logits, self.frame)


@dataclass(frozen=True, slots=True)
class DecodedRows:
    """What a mask decoder answers to several prompts on one image, a row for each.

    Attributes:
        logits: fp16 [K, N, M, M], as those of DecodedMasks.
        ious: float32 [K, N].
        tokens: int [K, N].
    """

    logits: npt.NDArray[np.float16]
    ious: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.logits)

    def __getitem__(self, row: int) -> DecodedMasks:
        """Return the answer to one prompt: views."""
        return DecodedMasks(self.logits[row], self.ious[row], tuple(self.tokens[row].tolist()))


def masks_of(decoded: DecodedMasks, frame: Frame, *, most: int | None = None) -> tuple[Mask, ...]:
    """Upscale what a decoder has answered, the highest predicted IoU first; equal ones keep the order of the tokens.

    Of more masks than `most` the others are left out.
    """
    best_first = sorted(zip(decoded.logits, decoded.ious, decoded.tokens, strict=True), key=lambda one: -one[1])
    return tuple(
        Mask.from_logits(logits, iou=float(iou), frame=frame, token=token) for logits, iou, token in best_first[:most]
    )
