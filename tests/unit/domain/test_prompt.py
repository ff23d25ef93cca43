from __future__ import annotations

from dataclasses import replace

import pytest

from maskgate.domain.errors import InvalidPrompt
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize
from maskgate.domain.prompt import Box, MaskSelection, Multimask, Point, Prompt, PromptSlots, refuse_absurd
from tests.fakes import SPEC

SIZE = ImageSize(100, 50)
BOX = Box(10, 10, 20, 20)
NAN, INF = float("nan"), float("inf")
PAD, EMPTY, TOP_LEFT, BOTTOM_RIGHT = -1, -2, 2, 3


def points(count: int) -> tuple[Point, ...]:
    return tuple(Point(index, index) for index in range(count))


@pytest.mark.parametrize(
    ("given", "box", "message"),
    [
        ((), None, "at least one point or a box"),
        ((Point(NAN, 1),), None, r"points\[0\] is not finite"),
        ((Point(1, 1), Point(1, -INF)), None, r"points\[1\] is not finite"),
        ((Point(1, 1, 2),), None, r"points\[0\] has label 2"),
        ((Point(1, 1, -1),), None, r"points\[0\] has label -1"),
        ((), Box(1, 1, NAN, 2), "box is not finite"),
        ((), Box(-INF, 1, 2, 2), "box is not finite"),
        ((), Box(5, 1, 5, 2), "box is empty"),
        ((), Box(5, 1, 4, 2), "box is empty"),
        ((), Box(1, 5, 2, 5), "box is empty"),
        ((), Box(1, 5, 2, 4), "box is empty"),
    ],
)
def test_senseless_prompts_are_refused(given: tuple[Point, ...], box: Box | None, message: str) -> None:
    """A prompt that no image could make sense of is refused on construction, with the place of the fault."""
    with pytest.raises(InvalidPrompt, match=message):
        Prompt(given, box)


@pytest.mark.parametrize(("box", "limit"), [(None, 7), (BOX, 6)])
def test_points_have_to_fit_the_slots(box: Box | None, limit: int) -> None:
    """Of P slots a pad point takes one, or a box two; one point more than the rest is refused with the limit."""
    Prompt(points(limit), box).check_fits(SPEC)

    with pytest.raises(InvalidPrompt, match="too many") as refusal:
        Prompt(points(limit + 1), box).check_fits(SPEC)

    assert {"points": str(limit + 1), "limit": str(limit)} == refusal.value.metadata


def test_absurd_numbers_of_points_are_refused_unread() -> None:
    """A count that no model takes is refused before the points are looked at."""
    refuse_absurd(1024)

    with pytest.raises(InvalidPrompt, match="1025 points are too many"):
        refuse_absurd(1025)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt((Point(0, 0),)),
        Prompt((Point(99.999, 49.999),)),
        Prompt(box=Box(0, 0, 100, 50)),
        Prompt((Point(99, 0, 0),), Box(0, 49, 1, 50)),
    ],
)
def test_edges_are_inside(prompt: Prompt) -> None:
    """Points up to the far edge and boxes up to and with it belong to the image."""
    prompt.check_inside(SIZE)


@pytest.mark.parametrize(
    ("prompt", "field"),
    [
        (Prompt((Point(1, 1), Point(100, 1))), "points[1]"),
        (Prompt((Point(1, 50),)), "points[0]"),
        (Prompt((Point(-0.001, 1),)), "points[0]"),
        (Prompt((Point(1, -1),)), "points[0]"),
        (Prompt((Point(1e300, 1),)), "points[0]"),
        (Prompt(box=Box(-1, 0, 5, 5)), "box"),
        (Prompt(box=Box(0, -1, 5, 5)), "box"),
        (Prompt(box=Box(0, 0, 100.5, 5)), "box"),
        (Prompt(box=Box(0, 0, 5, 50.5)), "box"),
    ],
)
def test_outside_is_refused(prompt: Prompt, field: str) -> None:
    """What lies outside the image is refused, with the field and the size of the image."""
    with pytest.raises(InvalidPrompt, match="outside the image of 100 x 50") as refusal:
        prompt.check_inside(SIZE)

    assert {"field": field, "width": "100", "height": "50"} == refusal.value.metadata


@pytest.mark.parametrize(
    ("count", "box", "auto"),
    [
        (1, None, MaskSelection.BEST),
        (0, BOX, MaskSelection.BEST),
        (2, None, MaskSelection.SINGLE),
        (1, BOX, MaskSelection.SINGLE),
        (7, None, MaskSelection.SINGLE),
        (6, BOX, MaskSelection.SINGLE),
    ],
)
def test_selection(count: int, box: Box | None, auto: MaskSelection) -> None:
    """AUTO takes the best of the ambiguous output for a click or a box alone; SINGLE and ALL do as they say."""
    prompt = Prompt(points(count), box)

    actual = [prompt.select(multimask) for multimask in (Multimask.AUTO, Multimask.SINGLE, Multimask.ALL)]

    assert [auto, MaskSelection.SINGLE, MaskSelection.ALL] == actual


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        (Prompt((Point(1, 1),)), [1, PAD, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
        (Prompt((Point(1, 1), Point(2, 2, 0))), [1, 0, PAD, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
        (Prompt(points(7)), [1, 1, 1, 1, 1, 1, 1, PAD]),
        (Prompt(box=BOX), [TOP_LEFT, BOTTOM_RIGHT, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
        (Prompt((Point(1, 1, 0),), BOX), [0, TOP_LEFT, BOTTOM_RIGHT, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
        (Prompt(points(6), BOX), [1, 1, 1, 1, 1, 1, TOP_LEFT, BOTTOM_RIGHT]),
    ],
)
def test_slots_hold_one_pad_point_without_a_box_and_none_with_it(prompt: Prompt, labels: list[int]) -> None:
    """Points come first, then the box's corners or else exactly one pad point; the rest are empty slots."""
    filled = PromptSlots.fill(prompt, frame=Frame(SIZE, 64), slots=8)

    assert labels == filled.labels.tolist()


def test_slots_hold_coordinates_of_the_square() -> None:
    """Points and corners are scaled into the square; what is not taken, the pad point too, is at the origin."""
    frame = Frame(ImageSize(128, 64), 64)

    filled = PromptSlots.fill(Prompt((Point(10, 20, 0),), Box(4, 8, 128, 64)), frame=frame, slots=5)
    padded = PromptSlots.fill(Prompt((Point(10, 20),)), frame=frame, slots=3)

    assert [[5, 10], [2, 4], [64, 32], [0, 0], [0, 0]] == filled.coords.tolist()
    assert [[5, 10], [0, 0], [0, 0]] == padded.coords.tolist()


def test_slots_are_as_many_as_the_model_has() -> None:
    """A model with larger buckets takes more points."""
    spec = replace(SPEC, prompt_slots=16)
    prompt = Prompt(points(15))

    prompt.check_fits(spec)
    filled = PromptSlots.fill(prompt, frame=Frame(SIZE, 64), slots=spec.prompt_slots)

    assert (16, 2) == filled.coords.shape
