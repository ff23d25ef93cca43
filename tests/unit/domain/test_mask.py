from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn.functional import interpolate

from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize
from maskgate.domain.mask import DecodedMasks, Mask, masks_of
from maskgate.domain.prompt import Box
from maskgate.domain.upscale import upscale

Floats = npt.NDArray[np.float32]
CLOSE_TO_THE_THRESHOLD = 1e-4
FRAME = Frame(ImageSize(64, 64), 64)


def reference_logits(logits: Floats, frame: Frame) -> npt.NDArray[np.float64]:
    """`Sam.postprocess_masks` of the reference, in double precision and before the threshold."""
    square = torch.from_numpy(logits).double()[None, None]
    square = interpolate(square, (frame.side, frame.side), mode="bilinear", align_corners=False)
    valid = square[..., : frame.valid.height, : frame.valid.width]
    size = (frame.original.height, frame.original.width)
    full: npt.NDArray[np.float64] = interpolate(valid, size, mode="bilinear", align_corners=False)[0, 0].numpy()
    return full


def blobs(seed: int, side: int, *, empty: float) -> Floats:
    """Logits as decoders make them, smooth and mostly negative, or pure noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(1, 1, side // 8, side // 8)).astype(np.float32)
    smooth = interpolate(torch.from_numpy(noise), (side, side), mode="bicubic")[0, 0].numpy()
    return (8 * smooth - empty).astype(np.float16).astype(np.float32)


@pytest.mark.parametrize(
    "size",
    [
        ImageSize(641, 427),
        ImageSize(427, 641),  # portrait
        ImageSize(512, 512),
        ImageSize(1, 1),
        ImageSize(3, 2),
        ImageSize(1, 3000),
        ImageSize(3000, 1),
        ImageSize(2999, 7),
        ImageSize(1601, 1199),  # several tiles
        ImageSize(100, 700),
    ],
    ids=str,
)
@pytest.mark.parametrize(("side", "mask_size"), [(512, 256), (1024, 256), (64, 32)])
@pytest.mark.parametrize("empty", [0.0, 14.0])
def test_upscaling_is_the_references(size: ImageSize, side: int, mask_size: int, empty: float) -> None:
    """Pixels differ from M -> S, crop, -> original only where the reference itself is at the threshold."""
    frame = Frame(size, side)
    logits = blobs(size.width + side, mask_size, empty=empty)
    expected = reference_logits(logits, frame)

    actual = upscale(logits, frame)

    assert (size.height, size.width) == actual.shape
    wrong = (expected > 0) != actual
    assert np.abs(expected[wrong]).max(initial=0.0) < CLOSE_TO_THE_THRESHOLD


def test_noise_is_upscaled_like_the_reference() -> None:
    """Logits of which every second one is positive, as no model makes them, are no special case."""
    frame = Frame(ImageSize(333, 500), 512)
    logits = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    expected = reference_logits(logits, frame)

    actual = upscale(logits, frame)

    wrong = (expected > 0) != actual
    assert np.abs(expected[wrong]).max(initial=0.0) < CLOSE_TO_THE_THRESHOLD


def test_a_single_positive_logit_is_found() -> None:
    """The part of the image that is computed reaches as far as the positive logits do."""
    frame = Frame(ImageSize(300, 200), 512)
    logits = np.full((256, 256), -1, np.float32)
    logits[77, 133] = 50
    expected = reference_logits(logits, frame) > 0

    actual = upscale(logits, frame)

    assert expected.any()
    np.testing.assert_array_equal(expected, actual)


def test_positive_logits_in_the_padding_are_cut_off() -> None:
    """What a model sees in the padding is not part of the image."""
    logits = np.full((256, 256), -1, np.float32)
    logits[200:, :] = 5

    actual = upscale(logits, Frame(ImageSize(512, 256), 512))

    assert not actual.any()


def test_the_threshold_itself_is_background() -> None:
    """A logit of exactly 0 is not foreground, not even between two objects."""
    logits = np.zeros((32, 32), np.float32)
    logits[0, 0] = logits[31, 31] = 1

    actual = upscale(logits, FRAME)

    assert (True, False, True) == (actual[0, 0], actual[32, 32], actual[63, 63])


def test_pixels_are_in_fortran_order() -> None:
    """Run-length encoding goes down the columns without a copy."""
    actual = upscale(np.ones((32, 32), np.float32), Frame(ImageSize(30, 20), 64))

    assert actual.flags.f_contiguous


def test_area_and_box_describe_the_pixels() -> None:
    """The area counts pixels; the box has exclusive right and bottom edges."""
    logits = np.full((64, 64), -1, np.float16)
    logits[10:13, 20:25] = 1

    mask = Mask.from_logits(logits, iou=0.75, frame=FRAME)

    assert (0.75, 15, Box(20, 10, 25, 13)) == (mask.predicted_iou, mask.area, mask.box)
    assert mask.rle.decode()[10:13, 20:25].all()


def test_an_empty_mask_has_no_box() -> None:
    """There is no rectangle around nothing."""
    mask = Mask.from_logits(np.full((64, 64), -1, np.float16), iou=0.1, frame=FRAME)

    assert (0, None) == (mask.area, mask.box)


def test_rle_holds_the_pixels() -> None:
    """The encoding of a mask has its height and width in the right order."""
    logits, frame = np.eye(64, dtype=np.float16) - np.float16(0.3), Frame(ImageSize(50, 20), 64)
    mask = Mask.from_logits(logits, iou=1.0, frame=frame)

    assert (20, 50) == (mask.rle.height, mask.rle.width)
    np.testing.assert_array_equal(upscale(logits.astype(np.float32), frame), mask.rle.decode())


def test_best_first() -> None:
    """Masks are ordered by predicted IoU; equal ones keep the order of their tokens."""
    logits = np.ones((3, 32, 32), np.float16)
    decoded = DecodedMasks(logits, np.array([0.2, 0.8, 0.8], np.float32), (1, 2, 3))

    masks = masks_of(decoded, FRAME)

    assert [2, 3, 1] == [mask.token for mask in masks]
    assert [0.8, 0.8, 0.2] == [pytest.approx(mask.predicted_iou) for mask in masks]


def test_a_lone_mask_is_kept_as_it_is() -> None:
    """The logits of an answer of one mask are not copied to be kept."""
    reply = bytes(2 * 4 * 4)
    logits = np.frombuffer(reply, np.float16).reshape(1, 4, 4)
    decoded = DecodedMasks(logits, np.ones(1, np.float32), (2,))

    assert np.shares_memory(logits, decoded.logits_to_keep(2))


@pytest.mark.parametrize("rows", [slice(0, 3), slice(1, 2)], ids=["all", "one of all"])
def test_one_of_several_masks_keeps_no_other_one(rows: slice) -> None:
    """A mask out of a larger answer is copied, as it would else keep all of that in memory; it is the right one."""
    reply = np.arange(3 * 4 * 4, dtype=np.float16).tobytes()
    logits = np.frombuffer(reply, np.float16).reshape(3, 4, 4)
    decoded = DecodedMasks(logits[rows], np.ones(3, np.float32)[rows], (1, 2, 3)[rows])

    kept = decoded.logits_to_keep(2)

    assert not np.shares_memory(logits, kept)
    np.testing.assert_array_equal(logits[1], kept)
