"""Prompts: what a user points at, and how that fills the slots of a mask decoder."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskgate.domain.errors import InvalidPrompt
from maskgate.domain.image import ImageSize

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from maskgate.domain.frame import Frame
    from maskgate.domain.mask_prompt import MaskSource
    from maskgate.domain.model import ModelSpec

_BOX_TOP_LEFT = 2.0
_BOX_BOTTOM_RIGHT = 3.0
_PAD_POINT = -1.0
_EMPTY_SLOT = -2.0
_LONGEST_AMBIGUOUS = 2
_MOST_POINTS = 1024  # far more than any model has slots for
_UNIT = ImageSize(1, 1)


def refuse_absurd(points: int) -> None:
    """Refuse a number of points before time is spent on reading them.

    Raises:
        InvalidPrompt: No model takes as many.
    """
    if points > _MOST_POINTS:
        raise InvalidPrompt(f"{points} points are too many.", points=points, limit=_MOST_POINTS)


class Multimask(enum.Enum):
    """How many masks a prompt is answered with."""

    AUTO = "auto"
    SINGLE = "single"
    ALL = "all"
    STABLE = "stable"


class CoordinateSpace(enum.Enum):
    """What the numbers of a prompt mean: pixels, or fractions of the image's width and height; never guessed."""

    PIXELS = "pixels"
    NORMALIZED = "normalized"


class MaskSelection(enum.Enum):
    """Which of a mask decoder's outputs answer a prompt."""

    SINGLE = "the single-mask token"
    BEST = "the one of the ambiguous output with the highest predicted IoU"
    ALL = "every one of the ambiguous output"
    EVERY = "the single-mask token and every one of the ambiguous output"


_SEVERAL = {Multimask.ALL: MaskSelection.ALL, Multimask.STABLE: MaskSelection.EVERY}


@dataclass(frozen=True, slots=True)
class Point:
    """A click in the oriented image, in the prompt's coordinates; label 1 is foreground, 0 background."""

    x: float
    y: float
    label: int = 1


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the oriented image, in the prompt's coordinates, right and bottom edges exclusive."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Prompt:
    """At least a point, a box or a mask. What can be wrong without knowing the image is refused on construction.

    Attributes:
        points: Clicks, in the order of the user.
        box: A box around the object.
        mask: A mask to start from.
        coordinates: What the numbers of points and box mean.

    Raises:
        InvalidPrompt: Nothing is given, a number is not finite, a label is neither 0 nor 1, or the box is empty.
    """

    points: tuple[Point, ...] = ()
    box: Box | None = None
    mask: MaskSource | None = None
    coordinates: CoordinateSpace = CoordinateSpace.PIXELS

    def __post_init__(self) -> None:
        if not self.points and self.box is None and self.mask is None:
            raise InvalidPrompt("A prompt needs at least one point, a box or a mask.")
        for index, point in enumerate(self.points):
            _check_point(index, point)
        if self.box is not None:
            _check_box(self.box)

    def check_fits(self, spec: ModelSpec) -> None:
        """Refuse what the model does not take: more points than it has slots for, logits of another model's size.

        Raises:
            InvalidPrompt: There are too many points, or more or fewer logits than the model's.
        """
        if self.mask is not None:
            self.mask.check_fits(spec.mask_size)
        limit = spec.max_points - (0 if self.box is None else 1)
        if len(self.points) > limit:
            raise InvalidPrompt(
                f"{len(self.points)} points are too many: the model takes {limit} "
                f"{'without' if self.box is None else 'beside'} a box.",
                points=len(self.points),
                limit=limit,
            )

    def check_inside(self, size: ImageSize) -> None:
        """Refuse what lies outside the image.

        Raises:
            InvalidPrompt: A point or an edge of the box does.
        """
        far = _UNIT if self.coordinates is CoordinateSpace.NORMALIZED else size
        for index, point in enumerate(self.points):
            if not (0 <= point.x < far.width and 0 <= point.y < far.height):
                raise self._outside(f"points[{index}]", f"({point.x:g}, {point.y:g})", size)
        box = self.box
        if box and not (box.x1 >= 0 and box.y1 >= 0 and box.x2 <= far.width and box.y2 <= far.height):
            raise self._outside("box", f"({box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g})", size)

    def _outside(self, what: str, where: str, size: ImageSize) -> InvalidPrompt:
        message = f"{what} {where} lies outside the image of {size.width} x {size.height} pixels"
        if self.coordinates is CoordinateSpace.NORMALIZED:
            message += ": normalized coordinates are fractions of its width and height, 0 to 1"
        elif max(self._numbers()) <= 1:
            message += "; fractions of its width and height need coordinates set to normalized"
        return InvalidPrompt(f"{message}.", field=what, width=size.width, height=size.height)

    def _numbers(self) -> Iterable[float]:
        for point in self.points:
            yield from (point.x, point.y)
        if self.box is not None:
            yield from (self.box.x1, self.box.y1, self.box.x2, self.box.y2)

    def in_pixels(self, size: ImageSize) -> Prompt:
        """Return this prompt in pixels of an image that it lies inside.

        Raises:
            InvalidPrompt: A box so thin has no area in pixels.
        """
        if self.coordinates is CoordinateSpace.PIXELS:
            return self
        points = tuple(Point(point.x * size.width, point.y * size.height, point.label) for point in self.points)
        return Prompt(points, None if self.box is None else _scaled(self.box, size), self.mask)

    @property
    def slots(self) -> int:
        """How many slots it fills: one for each point, two for a box, one for the pad point in the place of a box."""
        return sum(1 for _ in _slots_of(self))

    def select(self, multimask: Multimask) -> MaskSelection:
        """Choose the outputs that answer this prompt.

        The reference's rule (segment_anything/utils/onnx.py, select_masks) counts tokens: one click with its pad point
        and a box alone are two, and ambiguous, as is a mask alone, which has none; anything longer is not. A mask to
        start from is not counted. SAM 2's rule looks at the masks that are found (domain/stability.py): it needs all.
        """
        if multimask in _SEVERAL:
            return _SEVERAL[multimask]
        tokens = len(self.points) + (1 if self.box is None else 2)
        ambiguous = multimask is Multimask.AUTO and tokens <= _LONGEST_AMBIGUOUS
        return MaskSelection.BEST if ambiguous else MaskSelection.SINGLE


@dataclass(frozen=True, slots=True)
class PromptSlots:
    """A prompt as the mask decoder's tensors.

    Attributes:
        coords: float32 [P, 2], (x, y) in the model's square frame, without the half-pixel shift.
        labels: float32 [P]; 1/0 points, 2/3 box corners, -1 the pad point, -2 an empty slot.
        mask: fp16 [M, M], logits to start from, finite; None where the prompt has no mask.
    """

    coords: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]
    mask: npt.NDArray[np.float16] | None = None

    @classmethod
    def fill(
        cls, prompt: Prompt, *, frame: Frame, slots: int, mask: npt.NDArray[np.float16] | None = None
    ) -> PromptSlots:
        """Lay a prompt in pixels out over the slots, with the logits of its mask.

        Exactly one pad point stands in for a missing box, and none beside one: further ones would change the masks
        (segment_anything/modeling/prompt_encoder.py, `pad=(boxes is None)`). A mask alone fills no slot: without points
        the reference makes no pad point either (`PromptEncoder.forward`).
        """
        taken = list(_slots_of(prompt))
        coords = np.zeros((slots, 2), np.float32)
        labels = np.full(slots, _EMPTY_SLOT, np.float32)
        if taken:
            coords[: len(taken)] = frame.to_square([(x, y) for x, y, _ in taken])
            labels[: len(taken)] = [label for _, _, label in taken]
        return cls(coords, labels, mask)


def _slots_of(prompt: Prompt) -> Iterable[tuple[float, float, float]]:
    for point in prompt.points:
        yield point.x, point.y, float(point.label)
    if prompt.box is None and prompt.points:
        yield 0.0, 0.0, _PAD_POINT
    elif prompt.box is not None:
        yield prompt.box.x1, prompt.box.y1, _BOX_TOP_LEFT
        yield prompt.box.x2, prompt.box.y2, _BOX_BOTTOM_RIGHT


def _check_point(index: int, point: Point) -> None:
    if not (math.isfinite(point.x) and math.isfinite(point.y)):
        raise InvalidPrompt(f"points[{index}] is not finite.", point=index)
    if point.label not in (0, 1):
        raise InvalidPrompt(
            f"points[{index}] has label {point.label}; 1 is foreground, 0 is background.",
            point=index,
            label=point.label,
        )


def _check_box(box: Box) -> None:
    if not all(map(math.isfinite, (box.x1, box.y1, box.x2, box.y2))):
        raise InvalidPrompt("The box is not finite.")
    if box.x2 <= box.x1 or box.y2 <= box.y1:
        raise InvalidPrompt("The box is empty: x2 must exceed x1, and y2 must exceed y1.")


def _scaled(box: Box, size: ImageSize) -> Box:
    return Box(box.x1 * size.width, box.y1 * size.height, box.x2 * size.width, box.y2 * size.height)
