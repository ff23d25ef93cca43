"""Averages: a source with many masks counts no more than one with few, and a photo's masks are not independent."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from maskforge.evaluation.protocol import Record

MEAN: Final = "mean"
RESAMPLES: Final = 2000
CONFIDENCE: Final = 0.95
SIZES: Final = ("small", "medium", "large")
COCO_BOUNDS: Final = (32**2, 96**2)
"""Pixels of the photo; smaller ones are small, then medium (COCO's detection evaluation)."""


@dataclass(frozen=True, slots=True)
class Row:
    """The means over some masks.

    Attributes:
        photos: How many photos they are on.
        masks: How many they are.
        ious: Mean intersection over union by figure.
    """

    photos: int
    masks: int
    ious: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a mean lies in 95 % of the resamples."""

    low: float
    high: float


def by_source(records: Iterable[Record]) -> dict[str, Row]:
    """Average each source, and under `mean` the sources."""
    rows = {source: _row(some) for source, some in sources_of(records).items()}
    return {**rows, MEAN: _mean_row(list(rows.values()))}


def source_mean(records: Iterable[Record], value: Callable[[Record], float]) -> float:
    """Average a value over each source's masks, then over the sources."""
    return float(np.mean([np.mean([value(record) for record in some]) for some in sources_of(records).values()]))


def sources_of(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Sort records by source."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.source].append(record)
    return {source: groups[source] for source in sorted(groups)}


def by_size(records: Sequence[Record]) -> dict[str, Row]:
    """Average the masks of each size, source by source, then the sources that have any."""
    groups = {size: [record for record in records if size_of(record.area) == size] for size in SIZES}
    return {size: by_source(some)[MEAN] for size, some in groups.items() if some}


def size_of(area: int) -> str:
    """Name a mask's size by COCO's bounds."""
    return SIZES[int(np.searchsorted(COCO_BOUNDS, area, side="right"))]


def intervals(records: Sequence[Record], figures: Sequence[str], resamples: int = RESAMPLES) -> dict[str, Interval]:
    """Bootstrap the mean over sources of each figure: within each source, photos are drawn with replacement.

    Photos and not masks, as the masks of a photo are found or missed together. The seed is fixed.
    """
    rng = np.random.default_rng(0)
    drawn = np.mean([_resample(some, figures, resamples, rng) for some in _photos_of(records)], axis=0)
    tail = (1 - CONFIDENCE) / 2
    lows, highs = np.quantile(drawn, (tail, 1 - tail), axis=0)
    return {figure: Interval(float(low), float(high)) for figure, low, high in zip(figures, lows, highs, strict=True)}


def _photos_of(records: Sequence[Record]) -> Iterator[list[list[Record]]]:
    """Yield the photos of each source, each as its records."""
    for some in sources_of(records).values():
        photos: dict[str, list[Record]] = defaultdict(list)
        for record in some:
            photos[record.photo].append(record)
        yield list(photos.values())


def _resample(
    photos: Sequence[Sequence[Record]], figures: Sequence[str], resamples: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the means of one source's resamples: [resamples, figures]."""
    sums = np.array([[sum(record.ious[figure] for record in photo) for figure in figures] for photo in photos])
    counts = np.array([len(photo) for photo in photos])
    times = rng.multinomial(len(photos), np.full(len(photos), 1 / len(photos)), size=resamples)
    means: npt.NDArray[np.float64] = (times @ sums) / (times @ counts)[:, None]
    return means


def _row(records: Sequence[Record]) -> Row:
    ious = {figure: float(np.mean([record.ious[figure] for record in records])) for figure in records[0].ious}
    return Row(len({record.photo for record in records}), len(records), ious)


def _mean_row(rows: Sequence[Row]) -> Row:
    ious = {figure: float(np.mean([row.ious[figure] for row in rows])) for figure in rows[0].ious}
    return Row(sum(row.photos for row in rows), sum(row.masks for row in rows), ious)
