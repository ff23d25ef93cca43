"""Embeddings that were stored as int8 give the masks that the exact ones give."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.lite0 import PHOTOS, agreement_as, scene
from maskgate.domain.embedding import EmbeddingStorage


@pytest.mark.slow
async def test_masks_stay_with_int8() -> None:
    """On real photos, for a box and for clicks on an object, mean IoU >= .99, and no mask is another one."""
    found = [each for name in PHOTOS for each in agreement_as(await scene(name), EmbeddingStorage.INT8)]

    assert np.mean(found) >= 0.99
    assert min(found) >= 0.95
