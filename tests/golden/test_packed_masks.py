"""What other gateways start from is packed; masks that are refined from it are those refined from the exact logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.lite0 import PHOTOS, Scene, iou, scene
from maskgate.domain.packed_logits import pack, unpack
from maskgate.domain.prompt import Point, Prompt

SMALL = 48 * 1024
"""Bytes; the exact logits have 128 KiB."""


@pytest.mark.slow
async def test_packed_masks_are_as_good_to_start_from() -> None:
    """On real photos a correction of a packed mask gives the mask that one of the exact mask gives: mean IoU >= .99."""
    found = [_refined(seen, prompt) for name in PHOTOS for seen in [await scene(name)] for prompt in seen.prompts]

    assert np.mean([agreement for agreement, _ in found]) >= 0.99
    assert max(size for _, size in found) <= SMALL


def _refined(seen: Scene, prompt: Prompt) -> tuple[float, int]:
    """How well both corrections agree, and the size of the packed mask."""
    logits = seen.decode(prompt).logits[0]
    packed = pack(logits)
    correction = replace(prompt, points=(*prompt.points, Point(2, 2, 0)))
    exact, near = (seen.pixels(seen.decode(correction, mask=mask)) for mask in (logits, unpack(packed)))
    return iou(exact, near), len(packed)
