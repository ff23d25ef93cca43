"""What both packages do to a photo, a prompt and logits, against the reference's own predictor.

`SamPredictor` runs as it is, around networks that only note what they are given and answer what they are told. The
gateway (maskgate) and the forge (maskforge) never import each other: that both pass these tests is what ties them.

Where the two depart from the reference, a test says so: a line so thin that the reference leaves nothing of it.
"""

from __future__ import annotations

import asyncio
import importlib
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from maskforge.preprocessing import MASK_THRESHOLD, Letterbox
from maskforge.sam.image_encoder import PIXEL_MEAN, PIXEL_STD
from maskforge.sam.pixels import PixelNormalisation
from maskgate.adapters.pillow import PillowImageDecoder
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageLimits, ImageSize
from maskgate.domain.mask import Mask
from maskgate.domain.prompt import Box, Point, Prompt, PromptSlots
from tests import pictures
from tests.fakes import inline
from tests.golden import reference

if TYPE_CHECKING:
    from types import ModuleType

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

MASK_SIZE = 256
ROUNDING = 1e-5  # of float32 sums, for logits up to 35, where torch has fused multiply-adds (x86 since 2013)
HALF_ROUNDING = 2.0**-11  # of a number to fp16, relative
SLOTS = 8

SIZES = [
    (1, 1),
    (2, 3),
    (1, 1024),  # of 1024 in 512, and of 2048 in 1024, exactly half a pixel of width is left: it is rounded up to one
    (1, 2048),
    (4000, 3),
    (3, 4000),
    (641, 427),
    (427, 641),  # portrait
    (2048, 1023),  # 511.5 lines, or 255.75
    (2048, 1025),  # 512.5: Python's own round would go down to the even number
    (1025, 2049),  # 512.25
    (1023, 1024),
    (1024, 1024),
    (1025, 1025),
    (512, 511),
    (3000, 2001),
]
"""Width and height of photos."""

FRAMED = [(size, side) for side in (512, 1024) for size in SIZES if max(size) <= 2 * side * min(size)]
"""The photos of which the reference leaves something, and S."""

VANISHING = [(1, 4000), (4000, 1), (5000, 2), (1, 2050)]
"""Width and height of lines of which S = 1024 would leave less than half a pixel."""


# The reference


class Network(nn.Module):
    """Stands for one of the predictor's networks: notes what it is given, answers what it is told."""

    img_size: int
    given: dict[str, Any]

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, *image: Tensor, **given: object) -> object:
        self.given = {"image": image, **given}
        return self.answer

    def get_dense_pe(self) -> None:
        return None


class PillowTransform:
    """The reference's ResizeLongestSide, with torchvision's two functions on its way replaced by what they call.

    On an array [H,W,3] of uint8, `to_pil_image` is `Image.fromarray`. `resize` of a PIL image to (height, width) is
    `img.resize((width, height), Image.BILINEAR)`, which antialiases, whatever `antialias` says
    (torchvision/transforms/functional.py and _functional_pil.py, `resize`).
    """

    def __init__(self, transform: Any) -> None:  # noqa: ANN401 - the reference has no types
        self._transform = transform
        self.apply_coords = transform.apply_coords
        self.apply_boxes = transform.apply_boxes

    def apply_image(self, image: Pixels) -> Pixels:
        height, width = self._transform.get_preprocess_shape(*image.shape[:2], self._transform.target_length)
        return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


class Asked(NamedTuple):
    """Points [N,2] and a box [4], XY in pixels of a photo."""

    points: npt.NDArray[np.float64]
    box: npt.NDArray[np.float64]


class ReferencePredictor:
    """`SamPredictor` with a photo set."""

    def __init__(self, photo: Pixels, side: int) -> None:
        package = segment_anything()
        self._encoder, self._prompts, self._decoder = Network(None), Network((None, None)), Network(None)
        self._encoder.img_size = side
        self._predictor = package.SamPredictor(package.modeling.Sam(self._encoder, self._prompts, self._decoder))
        self._predictor.transform = PillowTransform(self._predictor.transform)
        self._predictor.set_image(photo)

    def encoder_input(self) -> Tensor:
        """What the image encoder sees: float32 [1,3,S,S]."""
        image: Tensor = self._encoder.given["image"][0]
        return image

    def logits(self, low_res: Floats) -> Floats:
        """Upscale low-res logits [M,M] to the photo."""
        self._decoder.answer = torch.from_numpy(low_res)[None, None], torch.zeros(1, 1)
        masks, _, _ = self._predictor.predict(return_logits=True)
        upscaled: Floats = masks[0]
        return upscaled

    def prompt(self, asked: Asked) -> tuple[Floats, Floats]:
        """What the prompt encoder sees: points float32 [N,2] and a box float32 [4]."""
        self._decoder.answer = torch.zeros(1, 1, 1, 1), torch.zeros(1, 1)
        self._predictor.predict(asked.points, np.ones(len(asked.points)), asked.box)
        (points, _), boxes = self._prompts.given["points"], self._prompts.given["boxes"]
        return points[0].numpy(), boxes.numpy().reshape(4)


@cache
def segment_anything() -> ModuleType:
    """The reference, imported behind stubs of torchvision."""
    reference.modeling()
    return importlib.import_module("segment_anything")


def resize_longest_side(side: int) -> Any:  # noqa: ANN401 - the reference has no types
    segment_anything()
    return importlib.import_module("segment_anything.utils.transforms").ResizeLongestSide(side)


# What is compared with it


class Processing(Protocol):
    """What either package does; a size is (width, height)."""

    def prepare(self, photo: Pixels, side: int) -> tuple[Pixels, tuple[int, int]]:
        """Make the image encoder's inputs: RGB [3,S,S] and the valid (height, width)."""

    def valid(self, size: tuple[int, int], side: int) -> tuple[int, int]:
        """Height and width inside the frame."""

    def prompt(self, size: tuple[int, int], side: int, asked: Asked) -> tuple[Floats, Floats]:
        """Map points [N,2] and a box [4] into the frame."""

    def mask(self, size: tuple[int, int], side: int, low_res: npt.NDArray[np.floating]) -> Bools:
        """Make a mask [H,W] of low-res logits [M,M]."""


class Gateway:
    """maskgate, from the bytes of a file to the runs of a mask."""

    def __init__(self) -> None:
        self._decoder = PillowImageDecoder(limits=ImageLimits(10**9, 10**9, 10**6), offload=inline)

    def prepare(self, photo: Pixels, side: int) -> tuple[Pixels, tuple[int, int]]:
        return self.prepare_file(pictures.write(Image.fromarray(photo), "BMP"), side)

    def prepare_file(self, content: bytes, side: int) -> tuple[Pixels, tuple[int, int]]:
        image = asyncio.run(self._decoder.prepare(content, side=side))
        return image.pixels, (image.valid.height, image.valid.width)

    def valid(self, size: tuple[int, int], side: int) -> tuple[int, int]:
        valid = Frame(ImageSize(*size), side).valid
        return valid.height, valid.width

    def prompt(self, size: tuple[int, int], side: int, asked: Asked) -> tuple[Floats, Floats]:
        prompt = Prompt(tuple(Point(x, y) for x, y in asked.points), Box(*asked.box))
        filled = PromptSlots.fill(prompt, frame=Frame(ImageSize(*size), side), slots=SLOTS).coords
        count = len(asked.points)
        return filled[:count], filled[count : count + 2].reshape(4)

    def mask(self, size: tuple[int, int], side: int, low_res: npt.NDArray[np.floating]) -> Bools:
        return Mask.from_logits(low_res, iou=0.5, frame=Frame(ImageSize(*size), side)).rle.decode()


class Forge:
    """maskforge, as it trains and evaluates."""

    def prepare(self, photo: Pixels, side: int) -> tuple[Pixels, tuple[int, int]]:
        letterbox = Letterbox.fit(photo.shape[0], photo.shape[1], side)
        return letterbox.resize(Image.fromarray(photo)).transpose(2, 0, 1), (letterbox.new_height, letterbox.new_width)

    def valid(self, size: tuple[int, int], side: int) -> tuple[int, int]:
        letterbox = Letterbox.fit(size[1], size[0], side)
        return letterbox.new_height, letterbox.new_width

    def prompt(self, size: tuple[int, int], side: int, asked: Asked) -> tuple[Floats, Floats]:
        letterbox = Letterbox.fit(size[1], size[0], side)
        return letterbox.to_frame(asked.points), letterbox.to_frame(asked.box.reshape(2, 2)).reshape(4)

    def logits(self, size: tuple[int, int], side: int, low_res: npt.NDArray[np.floating]) -> Floats:
        batch = torch.from_numpy(low_res.astype(np.float32))[None, None]
        return Letterbox.fit(size[1], size[0], side).to_photo(batch)[0, 0].numpy()

    def mask(self, size: tuple[int, int], side: int, low_res: npt.NDArray[np.floating]) -> Bools:
        return self.logits(size, side, low_res) > MASK_THRESHOLD


GATEWAY, FORGE = Gateway(), Forge()
both = pytest.mark.parametrize("package", [GATEWAY, FORGE], ids=["maskgate", "maskforge"])
framed = pytest.mark.parametrize(("size", "side"), FRAMED, ids=str)


def normalised(pixels: Pixels, valid: tuple[int, int]) -> Tensor:
    """What the encoder's graph makes of its inputs: float32 [1,3,S,S]."""
    image = torch.from_numpy(np.ascontiguousarray(pixels))[None]
    return PixelNormalisation(PIXEL_MEAN, PIXEL_STD).forward(image, torch.tensor([valid]))


# What goes in


def photo_of(size: tuple[int, int], seed: int = 0) -> Pixels:
    """Noise, RGB [H,W,3]: no filter, order or shift can be mistaken for another."""
    width, height = size
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def asked_of(size: tuple[int, int], seed: int = 0) -> Asked:
    """Five points and a box anywhere in a photo, no whole numbers."""
    points = np.random.default_rng(seed).uniform(0, size, (7, 2))
    points.sort(axis=0)
    return Asked(points[1:-1], points[[0, -1]].reshape(4))


def trained_like(seed: int) -> Floats:
    """Logits [M,M] as a trained decoder makes them: a few objects with clear edges, flat elsewhere, some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:MASK_SIZE, 0:MASK_SIZE] / MASK_SIZE
    depth = np.full((MASK_SIZE, MASK_SIZE), -np.inf)
    for _ in range(4):
        across, down = rng.uniform(0, 1, 2)
        wide, high = rng.uniform(0.03, 0.4, 2)
        inside = 1 - np.hypot((x - across) / wide, (y - down) / high)
        depth = np.maximum(depth, inside * min(wide, high) * MASK_SIZE)
    return (12 * np.tanh(depth / 3) + rng.normal(0, 0.3, depth.shape)).astype(np.float32)


def steepest(seed: int) -> Floats:
    """Logits [M,M] that jump between about -30 and 30 at random: where positions differ a little, masks do."""
    rng = np.random.default_rng(seed)
    return (rng.choice([-30, 30], (MASK_SIZE, MASK_SIZE)) + rng.normal(size=(MASK_SIZE, MASK_SIZE))).astype(np.float32)


# Photos


@both
@framed
def test_an_encoder_sees_what_the_references_sees(package: Processing, size: tuple[int, int], side: int) -> None:
    """Resized, normalised and padded pixels are the reference's to the last bit."""
    photo = photo_of(size)

    pixels, valid = package.prepare(photo, side)

    assert torch.equal(ReferencePredictor(photo, side).encoder_input(), normalised(pixels, valid))
    assert package.valid(size, side) == valid


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_turned_photos_are_seen_upright(kind: str, orientation: int) -> None:
    """Of an EXIF-rotated file the encoder sees what the reference's sees of OpenCV's upright reading of it.

    OpenCV is what the reference's scripts/amg.py reads files with; it does not turn AVIF.
    """
    options = {"lossless": True} if kind == "WEBP" else {}
    content = pictures.write(Image.fromarray(photo_of((53, 31))), kind, orientation=orientation, **options)
    upright = read_by_opencv(content)

    pixels, valid = GATEWAY.prepare_file(content, 64)

    assert ((53, 31) if orientation > 4 else (31, 53)) == upright.shape[:2]
    assert torch.equal(ReferencePredictor(upright, 64).encoder_input(), normalised(pixels, valid))


@pytest.mark.parametrize("kind", sorted(set(pictures.UNUSUAL) - {"32-bit TIFF"}))  # OpenCV does not read that one
def test_every_kind_of_file_is_read_as_the_reference_would(kind: str) -> None:
    """Grey, palette, alpha, 16-bit, CMYK and animated files become the RGB that OpenCV makes of them."""
    upright = read_by_opencv(pictures.UNUSUAL[kind])
    tolerance = 1 if kind in {"CMYK JPEG", "AVIF"} else 0  # each decoder has its own conversion of these to RGB

    pixels, (height, width) = GATEWAY.prepare_file(pictures.UNUSUAL[kind], 40)

    seen = pixels[:, :height, :width].transpose(1, 2, 0)
    assert upright.shape == seen.shape
    assert np.abs(upright.astype(int) - seen).max() <= tolerance


def read_by_opencv(content: bytes) -> Pixels:
    """RGB [H,W,3], turned upright, as the reference's scripts/amg.py reads a file."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8)


# Prompts


@both
@framed
def test_prompts_are_mapped_as_by_the_reference(package: Processing, size: tuple[int, int], side: int) -> None:
    """Points and box corners reach the prompt encoder as the reference's float32 numbers."""
    asked = asked_of(size)
    points, box = ReferencePredictor(photo_of(size), side).prompt(asked)

    actual = package.prompt(size, side, asked)

    np.testing.assert_array_equal(points, actual[0], strict=True)
    np.testing.assert_array_equal(box, actual[1], strict=True)


@st.composite
def sizes_at_an_edge(draw: st.DrawFn) -> tuple[int, int]:
    """Sizes that put the short side on, or a pixel beside, the edge of rounding up: half a pixel for S = 1024."""
    factor = draw(st.integers(1, 15))
    short = factor * (2 * draw(st.integers(0, 1023)) + 1) + draw(st.sampled_from([-1, 0, 0, 1]))
    return max(1, short), 2048 * factor


@both
@settings(max_examples=300)
@given(
    size=st.tuples(st.integers(1, 32_768), st.integers(1, 32_768)) | sizes_at_an_edge(),
    portrait=st.booleans(),
    side=st.sampled_from([512, 1024]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_is_rounded_and_mapped_as_by_the_reference(
    package: Processing, size: tuple[int, int], *, portrait: bool, side: int, seed: int
) -> None:
    """Of any photo the size within the frame and the prompts are the reference's."""
    width, height = size if portrait else size[::-1]
    transform = resize_longest_side(side)
    valid = transform.get_preprocess_shape(height, width, side)
    assume(min(valid) > 0)
    asked = asked_of((width, height), seed)

    points, box = package.prompt((width, height), side, asked)

    assert valid == package.valid((width, height), side)
    np.testing.assert_array_equal(transform.apply_coords(asked.points, (height, width)).astype(np.float32), points)
    np.testing.assert_array_equal(transform.apply_boxes(asked.box, (height, width))[0].astype(np.float32), box)


# Masks


@both
@framed
def test_masks_of_trained_models_are_the_references(package: Processing, size: tuple[int, int], side: int) -> None:
    """No pixel differs from M -> S, crop, -> photo, > 0, for logits as trained decoders make them."""
    photo = ReferencePredictor(photo_of(size), side)
    for seed in range(3):
        low_res = trained_like(seed)

        mask = package.mask(size, side, low_res)

        np.testing.assert_array_equal(photo.logits(low_res) > 0, mask)


@both
@framed
def test_masks_of_any_logits_are_the_references(package: Processing, size: tuple[int, int], side: int) -> None:
    """Even where logits jump, a pixel differs only if the reference's logit is 0 but for the rounding of float32."""
    low_res = steepest(0)
    logits = ReferencePredictor(photo_of(size), side).logits(low_res)

    mask = package.mask(size, side, low_res)

    wrong = (logits > 0) != mask
    assert np.abs(logits[wrong]).max(initial=0) <= ROUNDING
    assert np.count_nonzero(wrong) <= wrong.size / 1e5


@framed
def test_upscaled_logits_are_the_references(size: tuple[int, int], side: int) -> None:
    """The forge, which shows its logits, has the reference's to the last bit."""
    low_res = steepest(1)

    actual = FORGE.logits(size, side, low_res)

    np.testing.assert_array_equal(ReferencePredictor(photo_of(size), side).logits(low_res), actual, strict=True)


def test_half_precision_turns_only_what_its_rounding_can() -> None:
    """Logits come as fp16: against the reference's float32 a pixel differs only if that rounding can turn it."""
    size, side = (3000, 2001), 1024
    photo = ReferencePredictor(photo_of(size), side)
    low_res = trained_like(0)
    logits, bound = photo.logits(low_res), photo.logits(np.abs(low_res)) * HALF_ROUNDING

    mask = GATEWAY.mask(size, side, low_res.astype(np.float16))

    wrong = (logits > 0) != mask
    assert (np.abs(logits[wrong]) <= bound[wrong] + ROUNDING).all()
    assert 0 < np.count_nonzero(wrong) <= np.count_nonzero(logits > 0) / 1e4


# Everything at once


@both
@settings(deadline=None)
@given(size=st.tuples(st.integers(1, 80), st.integers(1, 80)), side=st.sampled_from([16, 64]), seed=st.integers(0, 999))
def test_small_photos_of_any_size(package: Processing, size: tuple[int, int], side: int, seed: int) -> None:
    """From the photo to the mask, whatever its size, everything is the reference's."""
    assume(min(resize_longest_side(side).get_preprocess_shape(*size, side)) > 0)
    photo, asked, low_res = photo_of(size, seed), asked_of(size, seed), steepest(seed)[: side // 4, : side // 4]
    expected = ReferencePredictor(photo, side)

    pixels, valid = package.prepare(photo, side)
    prompt = package.prompt(size, side, asked)
    mask = package.mask(size, side, low_res)

    assert torch.equal(expected.encoder_input(), normalised(pixels, valid))
    for wanted, actual in zip(expected.prompt(asked), prompt, strict=True):
        np.testing.assert_array_equal(wanted, actual, strict=True)
    logits = expected.logits(np.ascontiguousarray(low_res))
    assert np.abs(logits[(logits > 0) != mask]).max(initial=0) <= ROUNDING


# Where both depart from the reference


@both
@pytest.mark.parametrize("size", VANISHING, ids=str)
def test_a_line_too_thin_for_the_reference_keeps_a_pixel(package: Processing, size: tuple[int, int]) -> None:
    """Where the reference rounds a side to 0 and fails, one pixel of it is left to see, to point at and to mask."""
    photo, asked = photo_of(size), asked_of(size)
    with pytest.raises(ValueError, match="must be > 0"):
        ReferencePredictor(photo, 1024)
    (width, height), low_res = size, np.full((MASK_SIZE, MASK_SIZE), -1, np.float32)
    low_res[: MASK_SIZE // 2, : MASK_SIZE // 2] = 1

    pixels, valid = package.prepare(photo, 1024)
    points, _ = package.prompt(size, 1024, asked)
    mask = package.mask(size, 1024, low_res)

    assert ((1, 1024) if width > height else (1024, 1)) == valid
    resized = Image.fromarray(photo).resize(valid[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resized, pixels[:, : valid[0], : valid[1]].transpose(1, 2, 0))
    np.testing.assert_allclose(asked.points * valid[::-1] / size, points, rtol=1e-6)
    first_half = np.arange(max(size)) < max(size) / 2
    np.testing.assert_array_equal(
        np.broadcast_to(first_half if width > height else first_half[:, None], mask.shape), mask
    )
