from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskgate.domain.generation.suppression import suppress

corners = st.tuples(*[st.integers(0, 12)] * 4).map(
    lambda box: (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))
)
scored = st.lists(st.tuples(corners, st.sampled_from([0.2, 0.5, 0.9])), max_size=30)


def overlap(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """IoU of two boxes, one by one."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    union = sum(areas) - width * height
    return width * height / union if union else 0.0


@given(scored=scored, threshold=st.sampled_from([0.0, 0.3, 0.7, 1.0]))
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

    suppression = suppress(boxes, np.array([score for _, score in scored]), threshold)

    assert kept == suppression.kept.tolist()
    assert by == suppression.by.tolist()
