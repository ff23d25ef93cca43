"""Masks to start from: the gateway's prompts in our model, against the reference's own predictor on the same weights.

`SamPredictor` runs as it is, on an embedding that is set instead of encoded.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from maskforge.sam.config import SamConfig
from maskforge.sam.model import Prompts, Sam
from maskgate.domain.embedding import EmbeddingKey
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageId, ImageSize
from maskgate.domain.mask import DecodedMasks
from maskgate.domain.mask_prompt import HandleSource, LogitsSource, logits_of_bytes
from maskgate.domain.output import RenderedMask
from maskgate.domain.prompt import Box, CoordinateSpace, Point, Prompt, PromptSlots
from maskgate.usecases.keep_masks import KeepMasks
from maskgate.usecases.resolve_mask import ResolveMask
from tests.fakes import CALL, SPEC, FakeMaskReader, FakeMasks, inline
from tests.golden import reference
from tests.golden.reference import ReferenceSam

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = npt.NDArray[np.float32]

TOLERANCE = 1e-4
HALF_PRECISION = 1e-3
"""Masks are answered, and kept, as fp16; the reference hands its own on as fp32."""
KEY = EmbeddingKey.of(ImageId.of(b"photo"), SPEC)
CONFIG = SamConfig()
SIDE, MASK_SIZE, SLOTS = CONFIG.image_size, CONFIG.mask_size, 8
SIZES = [ImageSize(641, 427), ImageSize(427, 641)]
CLICKS = (Point(100, 200), Point(300.5, 40.25, 0))
BOX = Box(20, 30, 400, 350)


class Case(NamedTuple):
    """The reference and our model with its weights, and an embedding float [1, C, E, E] that both see."""

    reference: ReferenceSam
    model: Sam
    embedding: Tensor

    def expected(self, prompt: Prompt, size: ImageSize, mask: Floats | None) -> tuple[Floats, Floats]:
        """What the reference answers to points, box and mask [M, M]: logits [T, M, M] and predicted IoU [T]."""
        predictor = self._predictor(size)
        points = np.array([(point.x, point.y) for point in prompt.points]) if prompt.points else None
        labels = np.array([point.label for point in prompt.points]) if prompt.points else None
        box = prompt.box and np.array([prompt.box.x1, prompt.box.y1, prompt.box.x2, prompt.box.y2])
        start = None if mask is None else mask[None]
        answers = [predictor.predict(points, labels, box, start, multimask_output=many) for many in (False, True)]
        return np.concatenate([logits for _, _, logits in answers]), np.concatenate([iou for _, iou, _ in answers])

    def actual(self, prompt: Prompt, size: ImageSize) -> tuple[Floats, Floats]:
        """What our model answers to the tensors that the gateway makes of a prompt."""
        assert isinstance(prompt.mask, LogitsSource)
        return self.actual_from(prompt, size, logits_of_bytes(prompt.mask.data, MASK_SIZE))

    def actual_from(
        self, prompt: Prompt, size: ImageSize, mask: npt.NDArray[np.float16] | None
    ) -> tuple[Floats, Floats]:
        """What our model answers to points and box, starting from logits or not."""
        slots = PromptSlots.fill(prompt.in_pixels(size), frame=Frame(size, SIDE), slots=SLOTS, mask=mask)
        logits = np.zeros((MASK_SIZE, MASK_SIZE), np.float32) if mask is None else mask.astype(np.float32)
        prompts = Prompts(
            torch.from_numpy(slots.coords)[None, None],
            torch.from_numpy(slots.labels)[None, None],
            torch.from_numpy(logits)[None, None],
            torch.full((1, 1), float(mask is not None)),
        )
        masks, iou = self.model.decode(self.embedding, prompts)
        return masks[0, 0].numpy(), iou[0, 0].numpy()

    def _predictor(self, size: ImageSize) -> Any:  # noqa: ANN401 - the reference has no types
        modeling = reference.modeling()
        package = importlib.import_module("segment_anything")
        encoder = nn.Identity()
        encoder.img_size = SIDE  # type: ignore[assignment] # what the reference reads of it
        predictor = package.SamPredictor(
            modeling.Sam(encoder, self.reference.prompt_encoder, self.reference.mask_decoder)
        )
        valid = Frame(size, SIDE).valid
        predictor.original_size, predictor.input_size = (size.height, size.width), (valid.height, valid.width)
        predictor.features, predictor.is_image_set = self.embedding, True
        return predictor


@pytest.fixture(scope="module")
def case() -> Iterator[Case]:
    torch.manual_seed(11)
    with torch.inference_mode():
        known = ReferenceSam(CONFIG).eval()
        model = Sam(CONFIG, nn.Identity()).eval()
        model.load_state_dict(known.state_dict(), strict=True)
        yield Case(known, model, torch.randn(1, 256, 64, 64))


def drawn_mask() -> Floats:
    """Logits [M, M] that half precision holds exactly."""
    logits = np.random.default_rng(5).uniform(-20, 20, (MASK_SIZE, MASK_SIZE))
    return logits.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("size", SIZES, ids=["landscape", "portrait"])
@pytest.mark.parametrize(
    ("points", "box"),
    [((), None), (CLICKS[:1], None), (CLICKS, None), ((), BOX), (CLICKS[:1], BOX)],
    ids=["mask alone", "click", "two clicks", "box", "click and box"],
)
def test_masks_are_started_from_as_the_reference_does(
    case: Case, size: ImageSize, points: tuple[Point, ...], box: Box | None
) -> None:
    """With a mask alone or with points and a box, `SamPredictor.predict(mask_input=…)` gives our logits and scores."""
    mask = drawn_mask()
    prompt = Prompt(points, box, LogitsSource(mask.astype("<f2").tobytes()))

    logits, iou = case.expected(prompt, size, mask)
    found, found_iou = case.actual(prompt, size)

    np.testing.assert_allclose(found, logits, atol=TOLERANCE)
    np.testing.assert_allclose(found_iou, iou, atol=TOLERANCE)


def test_normalised_prompts_are_the_same_prompts(case: Case) -> None:
    """A click at fractions of the image is the reference's click at their pixels."""
    size, mask = SIZES[1], drawn_mask()
    source = LogitsSource(mask.astype("<f2").tobytes())
    fractions = Prompt((Point(0.25, 0.75),), None, source, CoordinateSpace.NORMALIZED)

    logits, _ = case.expected(Prompt((Point(0.25 * 427, 0.75 * 641),)), size, mask)

    np.testing.assert_allclose(case.actual(fractions, size)[0], logits, atol=TOLERANCE)


def test_a_mask_matters(case: Case) -> None:
    """Another mask is another answer: what is compared above is not the click alone."""
    masks = [drawn_mask(), -drawn_mask()]
    prompts = [Prompt(CLICKS[:1], mask=LogitsSource(mask.astype("<f2").tobytes())) for mask in masks]

    one, other = (case.actual(prompt, SIZES[0])[0] for prompt in prompts)

    assert np.abs(one - other).max() > 100 * TOLERANCE


@pytest.mark.parametrize("token", [1, 2, 3])
async def test_handles_refine_as_the_reference_does(case: Case, token: int) -> None:
    """Click, then correct one of the masks by its handle: `SamPredictor.predict` twice, with that mask's logits."""
    size, click, both = SIZES[0], Prompt(CLICKS[:1]), Prompt(CLICKS)
    first, _ = case.expected(click, size, None)
    expected, expected_iou = case.expected(both, size, first[token])
    logits, iou = case.actual_from(click, size, None)
    decoded = DecodedMasks(logits.astype(np.float16)[1:], iou[1:], (1, 2, 3))
    shelf, rendered = FakeMasks(), RenderedMask(0.0, 0.0, token, 0, None)

    (kept,) = await KeepMasks(shelf=shelf)(KEY, decoded, (rendered,), call=CALL)
    assert kept.handle is not None
    resolve = ResolveMask(shelf=shelf, reader=FakeMaskReader(), offload=inline)
    start = await resolve(HandleSource(kept.handle), KEY, Frame(size, SIDE), MASK_SIZE, call=CALL)
    found, found_iou = case.actual_from(both, size, start)

    np.testing.assert_allclose(found, expected, atol=HALF_PRECISION)
    np.testing.assert_allclose(found_iou, expected_iou, atol=HALF_PRECISION)
