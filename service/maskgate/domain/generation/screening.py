"""The filters of a batch: most of what a decoder answers goes here, by its low-resolution logits.

In the reference's order (`_process_batch`): predicted IoU, stability, not cut off by the crop. What it computes at the
size of the image is computed there for those alone that it matters for: stability scores near the threshold, and the
edges of masks, for their boxes. Masks of which no pixel is left at that size are dropped; the reference drops them
only where there is a threshold for their stability, which then has no value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskgate.domain.frame import Frame
from maskgate.domain.generation.candidates import CandidateId, Candidates
from maskgate.domain.generation.crops import near_crop_edge
from maskgate.domain.prompt import Point, Prompt, PromptSlots
from maskgate.domain.stability import deciding_stability_score
from maskgate.domain.upscale import upscaled_edges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maskgate.domain.generation.crops import Crop
    from maskgate.domain.generation.settings import GenerationSettings
    from maskgate.domain.image import ImageSize
    from maskgate.domain.mask import DecodedRows
    from maskgate.domain.steps import Steps

_Halves = npt.NDArray[np.float16]
_Edges = tuple[int, int, int, int]

_MASKS_A_STEP = 4
"""Each takes .4 ms, of a photo; those whose stability is in doubt ten times as long."""


@dataclass(frozen=True, slots=True)
class Screened:
    """What is left of a batch: candidates, and views of the logits fp16 [M, M] of each."""

    candidates: Candidates
    logits: Mapping[CandidateId, _Halves]


@dataclass(frozen=True, slots=True)
class View:
    """One crop of an image, as a model sees it.

    Attributes:
        crop: The crop.
        image: Size of the whole image.
        side: S, the side of the model's square.
        settings: What is asked for.
    """

    crop: Crop
    image: ImageSize
    side: int
    settings: GenerationSettings

    @property
    def frame(self) -> Frame:
        """Where the crop lies in the square."""
        return Frame(self.crop.region.size, self.side)

    def points(self) -> npt.NDArray[np.float64]:
        """Return the crop's points, float64 [n, 2], in pixels of the crop."""
        size = self.crop.region.size
        return self.settings.grid(self.crop.layer) * (size.width, size.height)

    def slots(self, points: npt.NDArray[np.float64], slots: int) -> list[PromptSlots]:
        """Turn points into prompts, one click each."""
        frame = self.frame
        return [PromptSlots.fill(Prompt((Point(x, y),)), frame=frame, slots=slots) for x, y in points.tolist()]

    def point(self, found: CandidateId) -> Point:
        """Return the point of a candidate, in pixels of the image."""
        x, y = self.points()[found.point].tolist()
        return Point(x + self.crop.region.left, y + self.crop.region.top)

    def named(self, rows: DecodedRows, points: Sequence[int]) -> Iterator[tuple[CandidateId, _Halves]]:
        """Give all that a decoder has answered its name; the points of the grid are those of the rows."""
        for row, point in enumerate(points):
            for token, logits in zip(rows[row].tokens, rows.logits[row], strict=True):
                yield CandidateId(self.crop.index, point, token), logits

    def screen(self, rows: DecodedRows, first: int) -> Steps[Screened]:
        """Filter what a decoder has answered, some masks at each step.

        Args:
            rows: Its answers to the points of the grid from `first` on, a row each.
            first: Number of the first row's point.
        """
        kept = []
        for number, one in enumerate(self._measured(rows, first), 1):
            kept += [] if one is None else [one]
            if number % _MASKS_A_STEP == 0:
                yield
        candidates = Candidates.of([one.record for one in kept])
        inside = ~near_crop_edge(candidates.boxes, self.crop.region, self.image)
        logits = {one.id: one.logits for one, stays in zip(kept, inside, strict=True) if stays}
        return Screened(candidates[np.flatnonzero(inside)], logits)

    def _measured(self, rows: DecodedRows, first: int) -> Iterator[_Measured | None]:
        threshold = self.settings.pred_iou_thresh
        confident = rows.ious > threshold if threshold > 0 else np.ones(rows.ious.shape, np.bool_)
        for row, column in np.argwhere(confident).tolist():
            found = CandidateId(self.crop.index, first + row, int(rows.tokens[row, column]))
            yield self._measure(found, float(rows.ious[row, column]), rows.logits[row, column])

    def _measure(self, found: CandidateId, iou: float, logits: _Halves) -> _Measured | None:
        offset, threshold = self.settings.stability_score_offset, self.settings.stability_score_thresh
        stability = deciding_stability_score(logits, self.frame, threshold, offset=offset)
        if stability < threshold:
            return None
        edges = upscaled_edges(logits.astype(np.float32), self.frame)
        return None if edges is None else _Measured(found, iou, stability, self._uncropped(edges), logits)

    def _uncropped(self, edges: _Edges) -> _Edges:
        """Return a box in pixels of the image, right and bottom edges inclusive."""
        left, top, right, bottom = edges
        x, y = self.crop.region.left, self.crop.region.top
        return x + left, y + top, x + right - 1, y + bottom - 1


@dataclass(frozen=True, slots=True)
class _Measured:
    id: CandidateId
    iou: float
    stability: float
    box: _Edges
    logits: _Halves

    @property
    def record(self) -> tuple[object, ...]:
        return (*self.id, self.iou, self.stability, self.box)
