import json
import logging
from pathlib import Path

import pytest
from PIL import Image

from maskforge.training.chart import SIZE
from maskforge.training.exam import Marks
from maskforge.training.journal import Journal
from maskforge.training.recipe import Phase, Recipe
from maskforge.training.report import STEPS, Reporter, in_words, seconds_left
from maskforge.training.rounds import Figures

RECIPE = Recipe(phases=(Phase(100, 256, 2, 1, (1, 1)), Phase(10, 512, 1, 1, (1, 1))))
NAN = float("nan")


def test_a_line_is_the_mean_of_some_steps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a step did not have is left out of it; a figure that no step had is left out of the line."""
    caplog.set_level(logging.INFO)
    reporter = Reporter(tmp_path, RECIPE, 0)
    for step in range(1, STEPS + 1):
        reporter.step(step, Figures(step, NAN if step > 2 else 0.5, NAN, 0.25, 0.75, 0.0), 2.0)
    entry = json.loads((tmp_path / "log.jsonl").read_text())
    assert {"step": STEPS, "image_size": 256, "box": 0.5, "oracle": 0.25} == {
        name: entry[name] for name in ("step", "image_size", "box", "oracle")
    }
    assert "click" not in entry
    assert (STEPS + 1) / 2 == entry["loss"]
    assert "step 25 of 110, 256 px" in caplog.text


def test_the_time_left_knows_that_larger_images_take_longer() -> None:
    """Half as many images of four times the pixels: twice the time of a step."""
    assert pytest.approx(75 * 3 + 10 * 6) == seconds_left(RECIPE, 25, 3.0)
    assert pytest.approx(5 * 6) == seconds_left(RECIPE, 105, 6.0)


@pytest.mark.parametrize(("seconds", "words"), [(59, "1 min"), (3600, "1 h 00 min"), (11_170, "3 h 07 min")])
def test_a_duration_in_words(seconds: float, words: str) -> None:
    """Minutes are rounded up."""
    assert words == in_words(seconds)


def test_a_journal_forgets_what_will_be_done_again(tmp_path: Path) -> None:
    """A run that goes on after step 2 writes step 3 a second time, not twice; a line that was cut short is dropped."""
    path = tmp_path / "log.jsonl"
    journal = Journal(path, 0)
    for step in (1, 2, 3):
        journal.write({"step": step})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 4, "lo')
    Journal(path, 2).write({"step": 3, "again": True})
    assert [{"step": 1}, {"step": 2}, {"step": 3, "again": True}] == list(journal.read())


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    """Also of a run that has just begun; exams and steps leave their colours."""
    reporter = Reporter(tmp_path, RECIPE, 0)
    reporter.draw()
    with Image.open(tmp_path / "curve.png") as empty:
        assert SIZE == empty.size
        few = len(empty.getcolors(10_000))
    for step in range(1, 3 * STEPS + 1):
        reporter.step(step, Figures(1.0, step / 100, 0.4, 0.5, 0.6, 0.0), 1.0)
    for step in (30, 70):
        reporter.exam(step, {"mean": Marks(0.1, 0.2, 0.3, 0.4, 0.0)})
    reporter.draw()
    with Image.open(tmp_path / "curve.png") as drawn:
        assert few < len(drawn.getcolors(10_000))


def test_an_exam_without_questions_is_not_told(tmp_path: Path) -> None:
    """Photos of which none is held out have none."""
    reporter = Reporter(tmp_path, RECIPE, 0)
    reporter.exam(10, {})
    assert not (tmp_path / "log.jsonl").read_text()
