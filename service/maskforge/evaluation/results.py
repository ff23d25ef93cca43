"""What an evaluation found, as one value."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Self

from maskforge.evaluation.calibration import Calibration, calibrate
from maskforge.evaluation.edges.benchmark import EdgeScores
from maskforge.evaluation.pace import Pace
from maskforge.evaluation.proposals import AverageRecall
from maskforge.evaluation.protocol import Record
from maskforge.evaluation.statistics import Interval, Row, by_size, by_source, intervals

CHOSEN: Final = ("box", "click")
"""The figures of masks that the model chose by itself."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one subject; parts that were not measured are None.

    Attributes:
        title: What was evaluated.
        sources: Mean IoU by source and figure, and under `mean` the mean over sources.
        sizes: The same by the masks' sizes, over the sources that have any.
        intervals: Where the means over sources lie with 95 % confidence.
        calibration: Predicted and true IoU, by figure.
        pace: What was done in which time, by all processes together.
        processes: How many there were.
        proposals: Average recall of masks found without prompts.
        edges: Scores on BSDS500.
    """

    title: str
    sources: Mapping[str, Row]
    sizes: Mapping[str, Row]
    intervals: Mapping[str, Interval]
    calibration: Mapping[str, Calibration]
    pace: Pace
    processes: int
    proposals: AverageRecall | None = None
    edges: Mapping[str, EdgeScores] | None = None

    @classmethod
    def of(cls, title: str, records: Sequence[Record], pace: Pace, processes: int) -> Self:
        """Summarise what was measured on masks."""
        return cls(
            title,
            by_source(records),
            by_size(records),
            intervals(records, list(records[0].ious)),
            {figure: calibrate(records, figure) for figure in CHOSEN},
            pace,
            processes,
        )

    def with_proposals(self, proposals: AverageRecall) -> Self:
        """Add proposals."""
        return replace(self, proposals=proposals)

    def with_edges(self, edges: Mapping[str, EdgeScores]) -> Self:
        """Add edges."""
        return replace(self, edges=edges)

    def as_json(self, records: Sequence[Record]) -> str:
        """Write everything, each mask's figures too."""
        document = asdict(self) | {"masks": [asdict(record) for record in records]}
        return json.dumps(_rounded(document), indent=1) + "\n"


def _rounded(value: object) -> object:
    """Round to what means something, so that documents of two runs can be compared."""
    match value:
        case float():
            return round(value, 5) if value == value else None  # noqa: PLR0124 - NaN is no JSON
        case dict():
            return {str(key): _rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
    return value
