"""Evaluates all photos and reports by source: a source with many masks counts no more."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maskforge.annotations import Photo
from maskforge.evaluation.predictors import Predictor
from maskforge.evaluation.protocol import Scores, evaluate_photo, mean_scores

log = logging.getLogger(__name__)

MEAN = "mean"


@dataclass(frozen=True, slots=True)
class SourceScores:
    """The mean scores of a source's masks."""

    photos: int
    masks: int
    scores: Scores


def evaluate(photos: Sequence[Photo], predictor: Predictor) -> dict[str, SourceScores]:
    """Return the scores of each source, and under `mean` the mean over the sources."""
    by_source: dict[str, list[Scores]] = defaultdict(list)
    for number, photo in enumerate(photos, start=1):
        by_source[photo.source].extend(evaluate_photo(photo, predictor))
        log.info("%d of %d photos", number, len(photos))
    return summarise(by_source, photos)


def summarise(by_source: Mapping[str, Sequence[Scores]], photos: Iterable[Photo]) -> dict[str, SourceScores]:
    """Average each source's scores, then the sources."""
    sources = [photo.source for photo in photos]
    rows = {
        source: SourceScores(sources.count(source), len(scores), mean_scores(scores))
        for source, scores in sorted(by_source.items())
    }
    total = sum(row.masks for row in rows.values())
    mean = SourceScores(len(sources), total, mean_scores(row.scores for row in rows.values()))
    return {**rows, MEAN: mean}


def as_markdown(rows: Mapping[str, SourceScores]) -> str:
    """Write a table with a row for each source."""
    head = ["source", "photos", "masks", *(name.replace("_", " ") for name in Scores._fields)]
    rule = ["---", *["---:"] * (len(head) - 1)]
    body = [_cells(source, row) for source, row in rows.items()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body))


def _cells(source: str, row: SourceScores) -> list[str]:
    return [source, str(row.photos), str(row.masks), *(f"{score:.3f}" for score in row.scores)]
