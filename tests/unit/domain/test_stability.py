from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize
from maskgate.domain.mask import DecodedMasks
from maskgate.domain.stability import SAM2_DELTA, SAM_OFFSET, resolve_stable, stability_score

Halves = npt.NDArray[np.float16]
SQUARE = Frame(ImageSize(64, 64), 64)
EVERY_HALF = np.arange(2**16, dtype=np.uint16).view(np.float16)


def logits_of(*values: float) -> Halves:
    """A mask [32, 32] whose first logits these are; the others are far below any threshold."""
    logits = np.full(32 * 32, -10, np.float16)
    logits[: len(values)] = values
    return logits.reshape(32, 32)


def test_a_sharp_mask_is_stable() -> None:
    """A mask without logits near the threshold does not change with it."""
    assert 1.0 == stability_score(logits_of(5, 5, 5), SQUARE)


def test_a_blurred_mask_is_not() -> None:
    """Of five pixels above -1 two are above +1; the thresholds themselves are background."""
    assert 2 / 5 == stability_score(logits_of(5, 1.5, 1, 0.5, -0.5, -1, -1.5), SQUARE)


def test_an_empty_mask_has_no_score() -> None:
    """No pixel of none is 0, and not NaN, which JSON cannot say."""
    assert 0.0 == stability_score(logits_of(), SQUARE)


@pytest.mark.parametrize(("size", "scored"), [(ImageSize(64, 32), 1 / 2), (ImageSize(32, 64), 1 / 3)])
def test_padding_does_not_count(size: ImageSize, scored: float) -> None:
    """Only logits that the image covers are counted: those of the upper half, or those of the left one."""
    logits = logits_of(5)
    logits[0, 31] = logits[31, 0] = logits[30, 0] = 0.5

    assert scored == stability_score(logits, Frame(size, 64))


@pytest.mark.parametrize("offset", [SAM_OFFSET, SAM2_DELTA, 0.1, 2.0, 0.5])
def test_every_number_is_compared_as_numbers_are(offset: float) -> None:
    """Comparing bits says of each fp16 number, zeros and infinities too, what comparing numbers says."""
    numbers = EVERY_HALF[~np.isnan(EVERY_HALF)].astype(np.float64)
    inner, outer = int((numbers > offset).sum()), int((numbers > -offset).sum())
    padded = np.full(256 * 256, -np.inf, np.float16)
    padded[: numbers.size] = numbers

    score = stability_score(padded.reshape(256, 256), Frame(ImageSize(256, 256), 256), offset=offset)

    assert inner / outer == score


# SAM 2's rule


def decoded(single: Halves, ious: list[float]) -> DecodedMasks:
    others = [np.full((32, 32), token, np.float16) for token in range(1, len(ious))]
    return DecodedMasks(np.stack([single, *others]), np.array(ious, np.float32), tuple(range(len(ious))))


def chosen(masks: DecodedMasks) -> tuple[tuple[int, ...], list[float], int]:
    resolved = resolve_stable(masks, SQUARE)
    return resolved.tokens, resolved.ious.round(3).tolist(), len(resolved.logits)


def test_a_stable_single_mask_is_taken() -> None:
    """However well the others are thought of."""
    assert ((0,), [pytest.approx(0.1)], 1) == chosen(decoded(logits_of(5, 5), [0.1, 0.9, 0.8, 0.7]))


def test_instead_of_an_unstable_one_the_best_other_is_taken() -> None:
    """The best by predicted IoU of the ambiguous output, the first of equals; the single mask's own does not count."""
    masks = decoded(logits_of(5, 0.01), [0.99, 0.5, 0.8, 0.8])

    resolved = resolve_stable(masks, SQUARE)

    assert (2,) == resolved.tokens
    assert 2 == resolved.logits[0, 0, 0]


def test_an_empty_single_mask_is_stable() -> None:
    """As SAM 2 has it: nothing changes with the threshold."""
    assert (0,) == resolve_stable(decoded(logits_of(), [0.1, 0.9, 0.9, 0.9]), SQUARE).tokens


@pytest.mark.parametrize(("near", "token"), [(1, 0), (2, 1)])
def test_the_threshold_is_enough(near: int, token: int) -> None:
    """49 of 50 pixels, 98 %, are stable; 48 of 50 are not."""
    single = logits_of(*[5] * (50 - near), *[0.01] * near)

    assert (token,) == resolve_stable(decoded(single, [0.1, 0.9, 0.9, 0.9]), SQUARE).tokens


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 64), height=st.integers(1, 64))
def test_scores_are_shares(seed: int, width: int, height: int) -> None:
    """Whatever the image's shape, a score lies between 0 and 1."""
    logits = np.random.default_rng(seed).normal(size=(32, 32)).astype(np.float16)

    assert 0.0 <= stability_score(logits, Frame(ImageSize(width, height), 64)) <= 1.0
