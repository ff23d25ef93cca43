"""Whether a model knows how good its masks are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from maskforge.evaluation.protocol import Estimate, Record
from maskforge.evaluation.statistics import source_mean

BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Masks whose predicted IoU is in [low, high).

    Attributes:
        low: The bin's lower end.
        high: Its upper end; 1 and more is in the last.
        masks: How many there are.
        predicted_iou: The mean of what was predicted.
        iou: The mean of what was true.
    """

    low: float
    high: float
    masks: int
    predicted_iou: float
    iou: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How predictions and truth of the masks that a model chose itself compare.

    Attributes:
        predicted_iou: Mean over sources of the predicted IoU.
        iou: Mean over sources of the true one.
        expected_error: Mean distance of the bins' predictions from their truth, weighted by their masks.
        stability: Mean over sources of the stability score.
        bins: Those that hold masks.
    """

    predicted_iou: float
    iou: float
    expected_error: float
    stability: float
    bins: tuple[Bin, ...]

    @property
    def gap(self) -> float:
        """How much more is predicted than is true, on average."""
        return self.predicted_iou - self.iou


def calibrate(records: Sequence[Record], figure: str) -> Calibration:
    """Compare what was predicted of the masks of a figure with what was true."""
    estimates = [record.estimates[figure] for record in records]
    bins = tuple(_bins(estimates))
    error = sum(one.masks * abs(one.predicted_iou - one.iou) for one in bins) / len(estimates)
    return Calibration(
        predicted_iou=source_mean(records, lambda record: record.estimates[figure].predicted_iou),
        iou=source_mean(records, lambda record: record.estimates[figure].iou),
        expected_error=error,
        stability=source_mean(records, lambda record: record.estimates[figure].stability),
        bins=bins,
    )


def _bins(estimates: Sequence[Estimate]) -> list[Bin]:
    predicted = np.array([estimate.predicted_iou for estimate in estimates])
    true = np.array([estimate.iou for estimate in estimates])
    number = np.clip((predicted * BINS).astype(int), 0, BINS - 1)
    return [
        Bin(index / BINS, (index + 1) / BINS, int(some.sum()), float(predicted[some].mean()), float(true[some].mean()))
        for index in range(BINS)
        if (some := number == index).any()
    ]
