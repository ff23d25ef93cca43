"""Writes an evaluation in Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from maskforge.evaluation.baselines import BASELINES
from maskforge.evaluation.calibration import Calibration
from maskforge.evaluation.edges.benchmark import THRESHOLDS as EDGE_THRESHOLDS
from maskforge.evaluation.edges.benchmark import EdgeScores
from maskforge.evaluation.pace import Pace
from maskforge.evaluation.proposals import LIMITS, POINTS_PER_SIDE, AverageRecall
from maskforge.evaluation.results import Evaluation
from maskforge.evaluation.statistics import MEAN, Row

WHAT_FIGURES_ARE: Final = {
    "box": "the tight box; the multimask output of the best predicted IoU",
    "box_single": "the same prompt, the single-mask token",
    "box_refined": "the box's mask and the same box once more, the single-mask token",
    "click": "one click; the multimask output of the best predicted IoU",
    "click_single": "one click, the single-mask token",
    "click_oracle": "one click; the best of the three multimask outputs",
    "clicks_3": "three clicks: each further one in the middle of the largest error, with the logits of the mask "
    "before; the single-mask token",
    "clicks_5": "five clicks",
    "clicks_8": "eight clicks",
    "filled_box": "the box itself, without a model",
    "ellipse": "the ellipse in the box, without a model",
    "grabcut": "OpenCV's GrabCut from the box",
    "colour_flood": "one click, flooded with what has about its colour",
}
EDGE_MAPS: Final = {"masks": "between masks", "pixels": "gradient of the pixels, without a model"}


def as_markdown(evaluation: Evaluation) -> str:
    """Write the report."""
    return "\n".join(_lines(evaluation)).rstrip() + "\n"


def _lines(evaluation: Evaluation) -> Iterator[str]:
    mean = evaluation.sources[MEAN]
    yield f"Measured: {evaluation.title}; {mean.masks:,} masks on {mean.photos} photos."
    yield from _section("Mean IoU by source", _sources(evaluation))
    yield from (f"- {_name(figure)}: {WHAT_FIGURES_ARE[figure]}" for figure in mean.ious)
    yield from _section("By size", _rows("size", evaluation.sizes))
    yield (
        "Sizes in pixels of the photo by COCO's bounds: small below 32², medium below 96². Means over the sources "
        "that have such masks."
    )
    for figure, calibration in evaluation.calibration.items():
        yield from _calibration(figure, calibration)
    if evaluation.proposals:
        yield from _proposals(evaluation.proposals)
    if evaluation.edges:
        yield from _edges(evaluation.edges)
    yield from _pace(evaluation.pace, evaluation.processes)


def _sources(evaluation: Evaluation) -> Iterator[str]:
    yield from _rows("source", evaluation.sources)
    bounds = [f"{one.low:.3f} to {one.high:.3f}" for one in evaluation.intervals.values()]
    yield _cells(["*95 % of resamples*", "", "", *bounds])


def _rows(head: str, rows: Mapping[str, Row]) -> Iterator[str]:
    figures = list(next(iter(rows.values())).ious)
    yield from _head(
        [head, "photos", "masks", *(f"*{_name(one)}*" if one in BASELINES else _name(one) for one in figures)]
    )
    for name, row in rows.items():
        yield _cells([name, str(row.photos), str(row.masks), *(f"{value:.3f}" for value in row.ious.values())])


def _calibration(figure: str, found: Calibration) -> Iterator[str]:
    table = [
        *_head(["predicted IoU", "masks", "mean predicted", "mean true"]),
        *(
            _cells([f"{one.low:.1f} to {one.high:.1f}", str(one.masks), f"{one.predicted_iou:.3f}", f"{one.iou:.3f}"])
            for one in found.bins
        ),
    ]
    yield from _section(f"Calibration: {_name(figure)}", table)
    yield (
        f"Mean over sources: predicted {found.predicted_iou:.3f}, true {found.iou:.3f}, gap {found.gap:+.3f}; expected "
        f"calibration error over masks {found.expected_error:.3f}; stability score {found.stability:.3f}."
    )


def _proposals(found: AverageRecall) -> Iterator[str]:
    rows = {**found.by_source, MEAN: found.recall}
    table = [
        *_head(["source", *(f"AR@{limit}" for limit in LIMITS)]),
        *(_cells([name, *(f"{shares[limit]:.3f}" for limit in LIMITS)]) for name, shares in rows.items()),
    ]
    yield from _section("Object proposals", table)
    yield (
        f"Masks found by {POINTS_PER_SIDE}² clicks, without duplicates (box IoU above .9), ranked by the mean of "
        f"predicted IoU and stability; {found.proposals:.0f} a photo. Average recall over IoU .5 to .95."
    )


def _edges(scores: Mapping[str, EdgeScores]) -> Iterator[str]:
    table = [
        *_head(["edges", "ODS", "OIS", "AP", "R50"]),
        *(_cells([EDGE_MAPS[name], *(f"{value:.3f}" for value in _values(one))]) for name, one in scores.items()),
    ]
    yield from _section("Edges (BSDS500)", table)
    yield (
        "By the paper's recipe: 16² clicks, 768 masks, without duplicates, Sobel filter of the probabilities on outer "
        f"boundaries, non-maximum suppression; {len(EDGE_THRESHOLDS)} thresholds, pixels matched one to one within "
        ".0075 of the diagonal."
    )


def _pace(pace: Pace, processes: int) -> Iterator[str]:
    masks, prompts = pace.masks / pace.segment_seconds * processes, pace.prompts / pace.segment_seconds * processes
    yield from _section("Pace", [])
    yield (
        f"{masks:.0f} masks/s ({prompts:.0f} prompts/s) with {processes} processes, scaled up to the photos' sizes; "
        f"{pace.look_seconds / pace.photos * 1e3:.0f} ms to read and encode a photo."
    )


def _values(scores: EdgeScores) -> Sequence[float]:
    return scores.ods, scores.ois, scores.ap, scores.r50


def _section(title: str, body: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    lines = list(body)
    yield from lines
    if lines:
        yield ""


def _head(names: Sequence[str]) -> tuple[str, str]:
    return _cells(names), _cells(["---", *["---:"] * (len(names) - 1)])


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _name(figure: str) -> str:
    return figure.replace("_", " ")
