"""Draws the learning curve of a run: masks' IoU over steps, in training and of the held-out photos."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw

Points = Sequence[tuple[float, float]]

SIZE: Final = (1000, 560)
MARGIN: Final = (56, 24, 180, 44)  # left, top, right, bottom
GROUND: Final = "#ffffff"
LINES: Final = "#d8dce2"
INK: Final = "#30363d"
COLOURS: Final = {
    "box": "#1f6feb",
    "oracle": "#2da44e",
    "click": "#bf8700",
    "clicks5": "#8250df",
    "corrected": "#8250df",
}
SMOOTHING: Final = 0.9


def draw_chart(entries: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Draw the entries of a journal: thin lines for training, dots and thick lines for the exams."""
    known = list(entries)
    steps = max((entry["step"] for entry in known), default=0) or 1
    image = Image.new("RGB", SIZE, GROUND)
    paper = _Paper(ImageDraw.Draw(image), steps)
    paper.rule()
    for row, (name, colour) in enumerate(COLOURS.items()):
        trained = _smooth([(entry["step"], entry[name]) for entry in known if name in entry])
        exams = [entry for entry in known if "exam" in entry]
        asked = [(entry["step"], entry["exam"]["mean"][name]) for entry in exams if name in entry["exam"]["mean"]]
        paper.curve(trained, colour, width=1)
        paper.curve(asked, colour, width=3)
        paper.label(name, asked or trained, colour, row)
    image.save(path)


class _Paper:
    """Axes: steps to the right, IoU from 0 to 1 upwards."""

    def __init__(self, pen: ImageDraw.ImageDraw, steps: int) -> None:
        self._pen = pen
        self._steps = steps

    def rule(self) -> None:
        """Draw a line for every tenth of IoU, and the steps at the quarters."""
        for tenth in range(11):
            self._pen.line([self._at(0, tenth / 10), self._at(self._steps, tenth / 10)], fill=LINES)
            left, top = self._at(0, tenth / 10)
            self._pen.text((left - 8, top), f".{tenth}" if tenth < 10 else "1", fill=INK, anchor="rm")
        for quarter in range(5):
            step = self._steps * quarter // 4
            left, top = self._at(step, 0)
            self._pen.text((left, top + 10), f"{step:,}", fill=INK, anchor="mt")

    def curve(self, points: Points, colour: str, width: int) -> None:
        """Draw a line through points (step, IoU)."""
        self._pen.line([self._at(*point) for point in points], fill=colour, width=width)

    def label(self, name: str, points: Points, colour: str, row: int) -> None:
        """Write a name with the last value in the margin."""
        if points:
            place = (SIZE[0] - MARGIN[2] + 16, MARGIN[1] + 24 * row)
            self._pen.text(place, f"{name} {points[-1][1]:.3f}", fill=colour)

    def _at(self, step: float, iou: float) -> tuple[float, float]:
        left, top, right, bottom = MARGIN
        width, height = SIZE[0] - left - right, SIZE[1] - top - bottom
        return left + width * step / self._steps, top + height * (1 - iou)


def _smooth(points: Points) -> Points:
    smoothed: list[tuple[float, float]] = []
    for step, value in points:
        before = smoothed[-1][1] if smoothed else value
        smoothed.append((step, SMOOTHING * before + (1 - SMOOTHING) * value))
    return smoothed
