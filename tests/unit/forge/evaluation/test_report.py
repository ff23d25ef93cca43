from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskforge.evaluation.contact_sheet import CAPTION, FOUND, TILE, draw_contact_sheet, pick
from maskforge.evaluation.edges.benchmark import EdgeScores
from maskforge.evaluation.pace import Pace, PacedPredictor
from maskforge.evaluation.ports import Prompt, Tokens
from maskforge.evaluation.proposals import AverageRecall
from maskforge.evaluation.report import as_markdown
from maskforge.evaluation.results import Evaluation
from maskforge.evaluation.running import add_baselines, measure_masks
from tests.unit.forge.evaluation.world import FakePredictor, photo_of, rectangle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskforge.annotations import Photo
    from maskforge.evaluation.protocol import Record

LEFT = rectangle(32, 64, slice(None), slice(32))
TOP = rectangle(32, 64, slice(16), slice(None))


@dataclass
class FakeSubject:
    """A predictor that finds the left half as the single mask, and the upper half otherwise."""

    title: str = "a fake"

    @contextmanager
    def open(self) -> Iterator[FakePredictor]:
        yield FakePredictor([LEFT, TOP, TOP, TOP], (0.9, 0.5, 0.4, 0.3))


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    return [photo_of(tmp_path, LEFT, TOP, source="halves"), photo_of(tmp_path, LEFT, source="others")]


@pytest.fixture
def records(photos: list[Photo]) -> list[Record]:
    records, _ = measure_masks(photos, FakeSubject(), processes=1)
    return add_baselines(records, photos, processes=1)


@pytest.fixture
def evaluation(records: list[Record]) -> Evaluation:
    return Evaluation.of("a fake", records, Pace(2, 0.5, 30, 60, 3.0), processes=2)


def test_baselines_stand_in_the_same_table(evaluation: Evaluation) -> None:
    """A row for each source, a column for each figure, the baselines' names set off."""
    report = as_markdown(evaluation).splitlines()
    head = next(line for line in report if line.startswith("| source"))
    halves = next(line for line in report if line.startswith("| halves"))
    cells = dict(zip(head.split(" | "), halves.split(" | "), strict=True))

    assert ("1", "2", "0.667", "1.000") == (cells["photos"], cells["masks"], cells["box"], cells["*filled box*"])
    assert "Mean over sources: predicted 0.500, true 0.500, gap +0.000;" in "\n".join(report)
    assert "40 masks/s (20 prompts/s) with 2 processes" in report[-1]


def test_parts_that_were_not_measured_are_left_out(evaluation: Evaluation) -> None:
    """Proposals and edges have their sections when they were asked for."""
    recall = AverageRecall({100: 0.25, 1000: 0.5}, {"halves": {100: 0.25, 1000: 0.5}}, 70.0)
    whole = evaluation.with_proposals(recall).with_edges({"masks": EdgeScores(0.7, 0.72, 0.6, 0.8)})

    assert "## Edges" not in as_markdown(evaluation)
    assert "## Object proposals" not in as_markdown(evaluation)
    assert "| mean | 0.250 | 0.500 |" in as_markdown(whole)
    assert "| between masks | 0.700 | 0.720 | 0.600 | 0.800 |" in as_markdown(whole)


def test_the_json_holds_every_mask(evaluation: Evaluation, records: list[Record]) -> None:
    """What the tables say, and the figures of each mask, rounded."""
    document = json.loads(evaluation.as_json(records))

    assert 3 == len(document["masks"])
    assert 0.66667 == document["sources"]["halves"]["ious"]["box"]
    assert document["proposals"] is None


def test_the_sheet_shows_best_median_and_worst(photos: list[Photo], records: list[Record]) -> None:
    """A column for each source; three rows for clicks and three for boxes."""
    picks = pick(photos, records)
    sheet = draw_contact_sheet(photos, records, FakeSubject(), processes=1)

    assert (2 * TILE, 6 * (TILE + CAPTION)) == sheet.size
    assert ["halves: best click 1.00", "others: best click 0.33"] == [one.caption for one in picks[:2]]
    assert "halves: worst box 0.33" == picks[10].caption
    middle_of_what_was_found = np.array(sheet)[TILE // 2 - 20, TILE // 2]
    assert abs(int(middle_of_what_was_found[0]) - FOUND[0] // 2) < 5


def test_the_clock_counts_what_is_asked(photos: list[Photo]) -> None:
    """Photos, prompts and masks are counted, and answers are passed on."""
    pace = Pace()
    with FakeSubject().open() as predictor:
        view = PacedPredictor(predictor, pace).look_at(photos[0])
        answers = view.segment([Prompt(points=((1, 1, 1),))] * 3, Tokens.ALL)

    assert (3, 4) == (len(answers), len(answers[0]))
    assert (1, 3, 12) == (pace.photos, pace.prompts, pace.masks)
    assert Pace.total([pace, pace]).masks == 24
