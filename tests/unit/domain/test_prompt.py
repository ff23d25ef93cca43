from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maskgate.domain.errors import InvalidPrompt
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize
from maskgate.domain.mask_prompt import LogitsSource, PngSource
from maskgate.domain.prompt import (
    Box,
    CoordinateSpace,
    MaskSelection,
    Multimask,
    Point,
    Prompt,
    PromptSlots,
    refuse_absurd,
)
from tests.fakes import SPEC

SIZE = ImageSize(100, 50)
BOX = Box(10, 10, 20, 20)
MASK = PngSource(b"")
NORMALIZED = CoordinateSpace.NORMALIZED
NAN, INF = float("nan"), float("inf")
PAD, EMPTY, TOP_LEFT, BOTTOM_RIGHT = -1, -2, 2, 3


def points(count: int) -> tuple[Point, ...]:
    return tuple(Point(index, index) for index in range(count))


@pytest.mark.parametrize(
    ("given", "box", "message"),
    [
        ((), None, "at least one point, a box or a mask"),
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


@pytest.mark.parametrize(("box", "limit"), [(None, 15), (BOX, 14)])
def test_points_have_to_fit_the_slots(box: Box | None, limit: int) -> None:
    """Of the most slots a pad point takes one, or a box two; one point more than the rest is refused with the limit."""
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
    """AUTO takes the best of the ambiguous output for a click or a box alone; SINGLE and ALL do as they say.

    A mask beside them changes nothing.
    """
    for mask in (None, MASK):
        prompt = Prompt(points(count), box, mask)

        actual = [prompt.select(multimask) for multimask in (Multimask.AUTO, Multimask.SINGLE, Multimask.ALL)]

        assert [auto, MaskSelection.SINGLE, MaskSelection.ALL] == actual


def test_a_mask_alone_is_ambiguous() -> None:
    """AUTO takes the best mask: the reference's formula counts 0 points."""
    assert MaskSelection.BEST == Prompt(mask=MASK).select(Multimask.AUTO)


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        (Prompt((Point(1, 1),)), [1, PAD, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
        (Prompt((Point(1, 1), Point(2, 2, 0))), [1, 0, PAD, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
        (Prompt(points(7)), [1, 1, 1, 1, 1, 1, 1, PAD]),
        (Prompt(box=BOX), [TOP_LEFT, BOTTOM_RIGHT, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
        (Prompt((Point(1, 1, 0),), BOX), [0, TOP_LEFT, BOTTOM_RIGHT, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
        (Prompt(points(6), BOX), [1, 1, 1, 1, 1, 1, TOP_LEFT, BOTTOM_RIGHT]),
        (Prompt(mask=MASK), [EMPTY] * 8),
        (Prompt((Point(1, 1),), mask=MASK), [1, PAD, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
        (Prompt(box=BOX, mask=MASK), [TOP_LEFT, BOTTOM_RIGHT, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]),
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


def test_slots_carry_the_mask() -> None:
    """The logits go along as they are; a prompt without a mask has none."""
    logits = np.eye(32, dtype=np.float16)

    filled = [PromptSlots.fill(Prompt(mask=MASK), frame=Frame(SIZE, 64), slots=8, mask=mask) for mask in (logits, None)]

    assert [logits, None] == [slots.mask for slots in filled]


@pytest.mark.parametrize("size", [0, 2, 2 * 32 * 32 - 2, 2 * 32 * 32 + 2, 4 * 32 * 32])
def test_logits_have_to_fit_the_model(size: int) -> None:
    """Logits of another size than the model's are refused, with both sizes, before anything is computed."""
    Prompt(mask=LogitsSource(bytes(2 * 32 * 32))).check_fits(SPEC)

    with pytest.raises(InvalidPrompt, match="32 x 32 half-precision") as refusal:
        Prompt(mask=LogitsSource(bytes(size))).check_fits(SPEC)

    assert {"field": "mask.logits", "bytes": str(size), "expected_bytes": "2048"} == refusal.value.metadata


@pytest.mark.parametrize("size", [SIZE, ImageSize(50, 100)], ids=["landscape", "portrait"])
def test_normalised_coordinates_become_pixels(size: ImageSize) -> None:
    """Fractions of width and height become pixels of the image; labels and mask stay."""
    prompt = Prompt((Point(0.5, 0.25, 0),), Box(0, 0.1, 0.3, 1), MASK, NORMALIZED)

    prompt.check_inside(size)

    point, box = (
        Point(0.5 * size.width, 0.25 * size.height, 0),
        Box(0, 0.1 * size.height, 0.3 * size.width, size.height),
    )
    assert Prompt((point,), box, MASK, CoordinateSpace.PIXELS) == prompt.in_pixels(size)


def test_pixels_stay_pixels() -> None:
    """Nothing is guessed from the numbers: 0.5 is half a pixel unless it is said to be half an image."""
    prompt = Prompt((Point(0.5, 0.5),), Box(0, 0, 1, 1))

    assert prompt == prompt.in_pixels(SIZE)


@pytest.mark.parametrize("width", [1, 3, 5, 100, 1023, 32_767])
def test_the_last_fraction_is_inside(width: int) -> None:
    """The largest number below 1 is a point of the image, and 1 is a box's far edge."""
    size = ImageSize(width, width)
    last = float(np.nextafter(1, 0))

    Prompt((Point(last, last),), Box(0, 0, 1, 1), coordinates=NORMALIZED).in_pixels(size).check_inside(size)


@pytest.mark.parametrize(
    ("prompt", "field"),
    [
        (Prompt((Point(0.1, 0.1), Point(1, 0)), coordinates=NORMALIZED), "points[1]"),
        (Prompt((Point(0.1, -0.1),), coordinates=NORMALIZED), "points[0]"),
        (Prompt((Point(10, 20),), coordinates=NORMALIZED), "points[0]"),
        (Prompt(box=Box(0, 0, 1.01, 1), coordinates=NORMALIZED), "box"),
        (Prompt(box=Box(-0.01, 0, 1, 1), coordinates=NORMALIZED), "box"),
        (Prompt(box=BOX, coordinates=NORMALIZED), "box"),
    ],
)
def test_what_is_no_fraction_is_refused(prompt: Prompt, field: str) -> None:
    """Pixels in a prompt that is said to be normalised are refused, and told what is expected."""
    with pytest.raises(InvalidPrompt, match="fractions of its width and height") as refusal:
        prompt.check_inside(SIZE)

    assert {"field": field, "width": "100", "height": "50"} == refusal.value.metadata


@pytest.mark.parametrize(("box", "hinted"), [(Box(-0.01, 0, 0.5, 1), True), (Box(-1, 0, 5, 5), False)])
def test_fractions_that_were_not_announced_are_told_so(box: Box, *, hinted: bool) -> None:
    """Numbers outside the image that could be fractions are refused with the name of what is missing."""
    with pytest.raises(InvalidPrompt, match="outside the image of 100 x 50") as refusal:
        Prompt(box=box).check_inside(SIZE)

    assert hinted is ("coordinates set to normalized" in refusal.value.message)


def test_a_box_without_a_pixel_is_refused() -> None:
    """Edges so near to each other that they are one pixel's are refused like any empty box."""
    prompt = Prompt(
        box=Box(0.6666666666666666, 0, float(np.nextafter(0.6666666666666666, 1)), 1), coordinates=NORMALIZED
    )

    with pytest.raises(InvalidPrompt, match="box is empty"):
        prompt.in_pixels(ImageSize(3, 3))
