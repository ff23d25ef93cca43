from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from maskgate.domain.generation.overlaps import PAIRS, overlapping, overlaps
from maskgate.domain.generation.suppression import Survivors, suppress
from maskgate.domain.steps import at_once

corners = st.tuples(*[st.integers(0, 12)] * 4).map(
    lambda box: (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))
)
thresholds = st.sampled_from([0.0, 0.3, 0.7, 1.0])
scored = st.lists(st.tuples(corners, st.sampled_from([0.2, 0.5, 0.9])), max_size=30)


def overlap(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """IoU of two boxes, one by one."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    union = sum(areas) - width * height
    return width * height / union if union else 0.0


@given(scored=scored, threshold=thresholds)
def test_the_best_stays(scored: list[tuple[tuple[int, ...], float]], threshold: float) -> None:
    """Best first, each box stays unless it overlaps one that stays; and it is known which one that is."""
    best_first = sorted(range(len(scored)), key=lambda index: -scored[index][1])
    kept: list[int] = []
    by = [-1] * len(scored)
    for index in best_first:
        blocker = next((k for k in kept if overlap(scored[index][0], scored[k][0]) > threshold + 1e-6), None)
        if blocker is None:
            kept.append(index)
        else:
            by[index] = blocker
    boxes = np.array([box for box, _ in scored], np.float32).reshape(-1, 4)

    suppression = at_once(suppress(boxes, np.array([score for _, score in scored]), threshold))

    assert kept == suppression.kept.tolist()
    assert by == suppression.by.tolist()


@given(batches=st.lists(scored, max_size=5), threshold=thresholds)
def test_batches_come_to_the_same(batches: list[list[tuple[tuple[int, ...], float]]], threshold: float) -> None:
    """No two of those that stay overlap, the others overlap a better one; in the end all might have come at once."""
    survivors, everything = Survivors(threshold), [one for batch in batches for one in batch]
    boxes = np.array([box for box, _ in everything], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in everything])
    with np.errstate(invalid="ignore"):
        is_over = overlaps(boxes, boxes) > threshold
    for batch in batches:
        part = slice(len(survivors.by), len(survivors.by) + len(batch))
        at_once(survivors.add(boxes[part], scores[part]))

        gave_way = np.flatnonzero(survivors.by >= 0)
        assert not is_over[np.ix_(survivors.kept, survivors.kept)][~np.eye(len(survivors.kept), dtype=bool)].any()
        assert is_over[gave_way, survivors.by[gave_way]].all()
        assert (scores[gave_way] <= scores[survivors.by[gave_way]]).all()
    at_once(survivors.settle())

    assert_array_equal(at_once(suppress(boxes, scores, threshold)).kept, survivors.kept)
    assert (survivors.by[survivors.by[survivors.by >= 0]] < 0).all()


@given(ones=st.lists(corners, max_size=20), others=st.lists(corners, max_size=20), threshold=thresholds)
def test_no_overlap_is_missed(ones: list[tuple[int, ...]], others: list[tuple[int, ...]], threshold: float) -> None:
    """What is not compared does not overlap."""
    boxes, rest = (np.array(some, np.float32).reshape(-1, 4) for some in (ones, others))
    expected = overlaps(boxes, rest) > threshold

    actual = np.zeros_like(expected)
    for rows, columns, is_over in overlapping(boxes, rest, threshold):
        actual[np.ix_(rows, columns)] = is_over

    assert_array_equal(expected, actual)


def objects(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Boxes float32 [n, 4] of 20 to 120 pixels, all over a photo."""
    rng = np.random.default_rng(7)
    places, sides = rng.uniform(0, 4000, (count, 2)), rng.uniform(20, 120, (count, 2))
    return np.hstack((places, places + sides)).astype(np.float32).round()


def test_only_what_is_near_is_compared() -> None:
    """A batch that meets ten thousand boxes is compared with a tenth of them, and so many at a time."""
    boxes = objects(10_000)

    sizes = [is_over.size for _, _, is_over in overlapping(boxes[:192], boxes, 0.7)]

    assert sum(sizes) < 192 * len(boxes) / 10
    assert max(sizes) <= PAIRS


def test_no_step_takes_long() -> None:
    """Boxes that cannot be told apart by where they lie are compared a few at a time, too."""
    boxes = np.tile(np.array((0, 0, 100, 100), np.float32), (1000, 1))

    sizes = [is_over.size for _, _, is_over in overlapping(boxes, boxes, 0.7)]

    assert sum(sizes) == len(boxes) ** 2
    assert max(sizes) <= PAIRS


def test_each_batch_costs_what_it_is_compared_with() -> None:
    """The tenth batch of boxes that all stay takes no more steps than the first ones together: nothing is done anew."""
    survivors, boxes = Survivors(0.9), objects(4000)
    scores = np.linspace(1, 0.5, len(boxes))

    steps = [
        len(list(survivors.add(part, some)))
        for part, some in zip(np.split(boxes, 20), np.split(scores, 20), strict=True)
    ]

    assert len(survivors.kept) > 3900
    assert max(steps) <= 2 * len(boxes) // 200
