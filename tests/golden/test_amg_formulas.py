"""Scores and choices of masks against the references' formulas."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn.functional import interpolate

from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize
from maskgate.domain.mask import DecodedMasks
from maskgate.domain.stability import SAM_OFFSET, resolve_stable, stability_score
from tests.golden import reference

if TYPE_CHECKING:
    from types import ModuleType

Halves = npt.NDArray[np.float16]
SQUARE = Frame(ImageSize(1024, 1024), 1024)


@pytest.fixture(scope="module")
def amg() -> ModuleType:
    """The reference's module, imported behind stubs of torchvision."""
    reference.modeling()
    return import_module("segment_anything.utils.amg")


def blobs(seed: int, *, masks: int = 1, height: float = 6.0) -> Halves:
    """Logits [N, M, M] as decoders make them: smooth, of both signs."""
    noise = np.random.default_rng(seed).normal(size=(masks, 1, 12, 12)).astype(np.float32)
    smooth = interpolate(torch.from_numpy(noise), (256, 256), mode="bicubic")[:, 0].numpy()
    return (height * smooth).astype(np.float16)


@pytest.mark.parametrize("seed", range(8))
def test_stability_is_the_references(amg: ModuleType, seed: int) -> None:
    """On logits whose every pixel is of the image, the score is SAM's to the last bit."""
    logits = blobs(seed)
    expected = amg.calculate_stability_score(torch.from_numpy(logits.astype(np.float32)), 0.0, SAM_OFFSET)

    actual = stability_score(logits[0], SQUARE)

    assert expected[0].item() == np.float32(actual)


@pytest.mark.parametrize("size", [ImageSize(1000, 700), ImageSize(480, 640)], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_stability_is_near_that_of_the_whole_size(amg: ModuleType, seed: int, size: ImageSize) -> None:
    """The reference scores upscaled masks; low-resolution ones tell the same to a hundredth."""
    logits, frame = blobs(seed), Frame(size, 1024)
    square = interpolate(torch.from_numpy(logits.astype(np.float32))[None], (1024, 1024), mode="bilinear")
    valid = square[..., : frame.valid.height, : frame.valid.width]
    full = interpolate(valid, (size.height, size.width), mode="bilinear")[0]
    expected = amg.calculate_stability_score(full, 0.0, SAM_OFFSET)

    actual = stability_score(logits[0], frame)

    assert actual == pytest.approx(expected[0].item(), abs=0.01)


def dynamic_multimask_via_stability(logits: torch.Tensor, ious: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`_dynamic_multimask_via_stability` and `_get_stability_scores` of sam2/modeling/sam/mask_decoder.py.

    Written down from there (SAM 2 is not installed), with delta 0.05 and threshold 0.98; logits [B, T, M, M].
    """
    best = torch.argmax(ious[:, 1:], dim=-1)
    rows = torch.arange(len(ious))
    best_logits, best_ious = logits[rows, 1 + best].unsqueeze(1), ious[rows, 1 + best].unsqueeze(1)
    single_logits, single_ious = logits[:, 0:1], ious[:, 0:1]
    flat = single_logits.flatten(-2)
    inner = torch.sum(flat > 0.05, dim=-1).float()
    outer = torch.sum(flat > -0.05, dim=-1).float()
    is_stable = torch.where(outer > 0, inner / outer, 1.0) >= 0.98
    return (
        torch.where(is_stable[..., None, None].expand_as(single_logits), single_logits, best_logits),
        torch.where(is_stable.expand_as(single_ious), single_ious, best_ious),
    )


@pytest.mark.parametrize("height", [0.0, 0.3, 3.0, 6.0, 12.0, 40.0])
@pytest.mark.parametrize("seed", range(6))
def test_the_stable_choice_is_sam_2s(seed: int, height: float) -> None:
    """The same of four masks is chosen, with its prediction, be they sharp, blurred or empty."""
    logits = blobs(seed, masks=4, height=height) - np.float16(1.0 if not height else 0.0)
    ious = np.random.default_rng(seed).random(4).astype(np.float32).round(1)  # equal ones occur
    decoded = DecodedMasks(logits, ious, (0, 1, 2, 3))
    expected_logits, expected_iou = dynamic_multimask_via_stability(
        torch.from_numpy(logits.astype(np.float32))[None], torch.from_numpy(ious)[None]
    )

    actual = resolve_stable(decoded, SQUARE)

    np.testing.assert_array_equal(expected_logits[0].numpy(), actual.logits)
    assert expected_iou[0].tolist() == actual.ious.tolist()
    assert ious[actual.tokens[0]] == actual.ious[0]


def test_both_choices_occur() -> None:
    """The cases above have masks that are stable and masks that are not."""
    tokens = {
        resolve_stable(
            DecodedMasks(blobs(seed, masks=4, height=height), np.arange(4, dtype=np.float32), (0, 1, 2, 3)), SQUARE
        ).tokens
        for seed in range(6)
        for height in (0.3, 3.0, 40.0)
    }

    assert {(0,), (3,)} == tokens
