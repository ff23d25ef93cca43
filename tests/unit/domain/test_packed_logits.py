from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maskgate.domain.packed_logits import pack, unpack

FLOATS = st.floats(-32, 32, width=16)


@given(arrays.arrays(np.float16, st.integers(1, 12).map(lambda side: (side, side)), elements=FLOATS))
def test_logits_come_back_within_half_a_step(logits: np.ndarray) -> None:
    """A step is a 63rd of the largest magnitude; to it comes the rounding of half precision."""
    step = max(float(np.abs(logits).max()) / 63, 2**-10)

    unpacked = unpack(pack(logits))

    assert unpacked is not None
    np.testing.assert_allclose(unpacked.astype(float), logits.astype(float), atol=step / 2 + 0.02)


def test_what_is_sure_stays_sure() -> None:
    """Beyond 32 logits count as 32, and what is no number as 0."""
    logits = np.array([[np.inf, -np.inf], [np.nan, 1000]], np.float16)

    unpacked = unpack(pack(logits))

    assert unpacked is not None
    assert [[32, -32], [0, 32]] == unpacked.tolist()


@pytest.mark.parametrize("value", [0, -7.5])
def test_a_flat_mask_is_small(value: float) -> None:
    """An empty mask, or one that is 0 all over, comes back as it was."""
    logits = np.full((256, 256), value, np.float16)

    packed = pack(logits)

    assert len(packed) < 10_000
    np.testing.assert_array_equal(logits, unpack(packed))


WHOLE = pack(np.eye(8, dtype=np.float16))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        WHOLE[:9],
        WHOLE[:10],
        WHOLE[:-1],
        b"MGM2" + WHOLE[4:],
        WHOLE[:20] + b"\xff" + WHOLE[21:],
        WHOLE[:4] + b"\7\0" + WHOLE[6:],
    ],
    ids=["nothing", "half a header", "a header", "cut short", "another version", "damaged", "another size"],
)
def test_what_is_no_whole_mask_is_none(data: bytes) -> None:
    """Truncated and damaged bytes, and those of another version, are nothing, and no error."""
    assert unpack(data) is None
