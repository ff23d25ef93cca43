from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskgate.domain.batch import (
    BatchQuery,
    ImageAnswer,
    ImagePrompts,
    Row,
    chunks,
    common_error,
    part_of,
    refuse_absurd_batch,
)
from maskgate.domain.errors import ImageNotFound, InferenceFailed, InvalidImageId, InvalidRequest, Overloaded
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import MaskSelection, Point, Prompt, PromptSlots
from maskgate.domain.timing import CacheTier, Timing

CLICK = Prompt((Point(1, 1),))
IMAGE_ID = ImageId.of(b"a photo")
KINDS = st.sampled_from([(width, selection) for width in (8, 16, 64) for selection in MaskSelection])


def row(index: int, width: int, selection: MaskSelection) -> Row:
    return Row(index, PromptSlots(np.zeros((width, 2), np.float32), np.zeros(width, np.float32)), selection)


def query(*counts: int) -> BatchQuery:
    """A batch of images with so many prompts each."""
    return BatchQuery(tuple(ImagePrompts(IMAGE_ID, str(IMAGE_ID), (CLICK,) * count) for count in counts))


# Chunks


@given(kinds=st.lists(KINDS, max_size=80), most=st.integers(1, 64))
def test_chunks_lose_nothing(kinds: list[tuple[int, MaskSelection]], most: int) -> None:
    """Every prompt is in one chunk; those of a chunk are of one kind and in order; no two chunks could be one."""
    parts = list(chunks((row(index, *kind) for index, kind in enumerate(kinds)), most))

    assert sorted(range(len(kinds))) == sorted(one.index for part in parts for one in part)
    assert all(1 <= len(part) <= most for part in parts)
    assert all(len({one.kind for one in part}) == 1 for part in parts)
    assert all([one.index for one in part] == sorted(one.index for one in part) for part in parts)
    full = sum(len(part) == most for part in parts)
    assert len(parts) - full <= len({*kinds})


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (63, [63]), (64, [64]), (65, [64, 1]), (128, [64, 64]), (130, [64, 64, 2])]
)
def test_chunks_are_as_large_as_they_may_be(count: int, sizes: list[int]) -> None:
    """The last one has the rest."""
    rows = [row(index, 8, MaskSelection.BEST) for index in range(count)]

    assert sizes == [len(part) for part in chunks(rows, 64)]


def test_short_prompts_come_first() -> None:
    """Long ones do not widen the others, and keep nobody waiting."""
    widths = (64, 8, 16, 8)

    parts = chunks([row(index, width, MaskSelection.BEST) for index, width in enumerate(widths)], 64)

    assert [[1, 3], [2], [0]] == [[one.index for one in part] for part in parts]


# Limits


@pytest.mark.parametrize("counts", [(4,), (1, 3), (0, 0, 0, 0), (2, 0, 2)])
def test_a_batch_within_the_limit(counts: tuple[int, ...]) -> None:
    """As many images, and as many prompts in all, may be asked about."""
    query(*counts).check_size(4)


@pytest.mark.parametrize(
    ("counts", "message"),
    [((5,), "5 prompts are too many"), ((2, 3), "5 prompts"), ((0,) * 5, "5 images"), ((), "at least one image")],
)
def test_a_batch_over_the_limit(counts: tuple[int, ...], message: str) -> None:
    """One more is refused, as is none."""
    with pytest.raises(InvalidRequest, match=message) as refusal:
        query(*counts).check_size(4)

    assert "images" == refusal.value.metadata["field"]


@pytest.mark.parametrize(
    ("images", "prompts", "points"),
    [(4097, 0, 0), (1, 4097, 4097), (1, 4096, 65537)],
    ids=["images", "prompts", "points"],
)
def test_absurd_batches_are_refused_unread(images: int, prompts: int, points: int) -> None:
    """A count that no server takes is refused before its prompts are looked at."""
    refuse_absurd_batch(images=4096, prompts=4096, points=65536)

    with pytest.raises(InvalidRequest, match="too many"):
        refuse_absurd_batch(images=images, prompts=prompts, points=points)


# Parts


def test_parts_that_make_no_sense_are_told_apart() -> None:
    """What is wrong with a part is a value; what is wrong with us is still raised."""
    good, bad = part_of(ImageId.parse, str(IMAGE_ID)), part_of(ImageId.parse, "cat.jpg")

    assert IMAGE_ID == good
    assert isinstance(bad, InvalidImageId)
    with pytest.raises(ZeroDivisionError):
        part_of(lambda: 1 // 0)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([ImageNotFound("a")], 0),
        ([ImageNotFound("a"), ImageNotFound("b")], 0),
        ([ImageNotFound("a"), Overloaded("b")], None),
        ([ImageNotFound("a"), None], None),
        ([None, InferenceFailed("b")], None),
        ([None], None),
    ],
)
def test_a_common_error(errors: list[Exception | None], expected: int | None) -> None:
    """Where all images failed for one reason it is the call's."""
    images = [ImageAnswer("", error=error) for error in errors]  # type: ignore[arg-type]

    assert (None if expected is None else errors[expected]) is common_error(images)


def test_timings_are_added_up() -> None:
    """Times of images are summed, the total is the call's own, and the tier the farthest."""
    first = Timing(CacheTier.L2, queue=1, encode=2, decode=3, postprocess=4, total=20)
    parts = [first, replace(first, cache_tier=CacheTier.MISS, encode=5), replace(first, cache_tier=CacheTier.L1)]

    assert Timing(CacheTier.MISS, queue=3, encode=9, decode=9, postprocess=12, total=25) == Timing.of_all(
        parts, total=25
    )
    assert CacheTier.L2 is getattr(Timing.of_all([first, parts[2]], total=1), "cache_tier", None)
    assert Timing.of_all([], total=25) is None
