"""Our prompt encoder and mask decoder against the reference, on the same random weights."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx
import onnx_ir
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from maskforge.export.graphs import export_decoder
from maskforge.sam.config import SamConfig
from maskforge.sam.model import Prompts, Sam
from tests.golden.reference import EMPTY, PAD, Question, ReferenceSam, batch

TOLERANCE = 1e-4
HALF_PRECISION = 2**-11
"""Of fp16, relative."""
PLAIN_SAM = SamConfig()


class Case(NamedTuple):
    """Two images, four prompts each, and the reference's answers."""

    model: Sam
    reference: ReferenceSam
    embeddings: Tensor
    prompts: Prompts
    logits: Tensor
    iou: Tensor


@pytest.fixture(scope="module")
def case() -> Iterator[Case]:
    torch.manual_seed(7)
    with torch.inference_mode():
        reference = ReferenceSam(PLAIN_SAM).eval()
        model = Sam(PLAIN_SAM, nn.Identity()).eval()
        model.load_state_dict(reference.state_dict(), strict=True)
        embeddings = _halves(2, 256, 64, 64)
        questions = _questions()
        answers = [
            reference.answer(embedding, question)
            for embedding, row in zip(embeddings, questions, strict=True)
            for question in row
        ]
        logits = torch.stack([logits for logits, _ in answers]).unflatten(0, (2, 4))
        iou = torch.stack([iou for _, iou in answers]).unflatten(0, (2, 4))
        yield Case(model, reference, embeddings, batch(questions, PLAIN_SAM.mask_size), logits, iou)


def test_parameters_carry_the_reference_names(case: Case) -> None:
    """An official checkpoint loads strictly: names and shapes are the reference's."""
    expected = {name: tensor.shape for name, tensor in case.reference.state_dict().items()}
    actual = {name: tensor.shape for name, tensor in case.model.state_dict().items()}
    assert expected == actual


def test_torch_agrees_with_the_reference(case: Case) -> None:
    """Batched, padded and mixed prompts give the logits that the reference gives one by one."""
    with torch.inference_mode():
        logits, iou = case.model.decode(case.embeddings, case.prompts)
    assert _difference(case.logits, logits) <= TOLERANCE
    assert _difference(case.iou, iou) <= TOLERANCE


def test_slots_beyond_the_prompt_change_nothing(case: Case) -> None:
    """More empty slots than needed leave the logits as they are."""
    more = _with_slots(_first_image(case.prompts), EMPTY, 5)
    with torch.inference_mode():
        logits, _ = case.model.decode(case.embeddings[:1], more)
    assert _difference(case.logits[:1], logits) <= TOLERANCE


def test_a_second_pad_point_is_not_neutral(case: Case) -> None:
    """Filling up with SAM's own pad point would change the masks: hence the empty slot."""
    more = _with_slots(_first_image(case.prompts), PAD, 1)
    with torch.inference_mode():
        logits, _ = case.model.decode(case.embeddings[:1], more)
    assert _difference(case.logits[:1], logits) > 100 * TOLERANCE


@pytest.mark.parametrize("anything", [0.0, 1e38, torch.nan])
def test_what_an_unused_mask_input_holds_does_not_matter(case: Case, anything: float) -> None:
    """Where a prompt has no mask input, its tensor may hold any number, and none."""
    with torch.inference_mode():
        logits, iou = case.model.decode(case.embeddings[:1], _first_image(_with_unused_masks(case.prompts, anything)))
    assert _difference(case.logits[:1], logits) <= TOLERANCE
    assert _difference(case.iou[:1], iou) <= TOLERANCE


def test_onnx_agrees_with_the_reference(case: Case) -> None:
    """The exported graph gives the reference's logits, for any number of images and prompts.

    Unused mask inputs are NaN.
    """
    session = _session(_with_fp32_masks(onnx_ir.to_proto(export_decoder(case.model))))
    for images, prompts in ((2, 4), (1, 1)):
        feed = _feed(case, images, prompts)
        logits, iou, best_mask, best_iou = session.run(None, feed)
        assert np.abs(case.logits[:images, :prompts].numpy() - logits).max() <= TOLERANCE
        assert np.abs(case.iou[:images, :prompts].numpy() - iou).max() <= TOLERANCE
        chosen = np.where(feed["select"] > 0, iou[..., 1:].argmax(-1) + 1, 0)[..., None]
        expected = np.take_along_axis(logits, chosen[..., None, None], 2)[:, :, 0]
        np.testing.assert_allclose(best_mask, expected, rtol=HALF_PRECISION, atol=TOLERANCE)
        np.testing.assert_allclose(np.take_along_axis(iou, chosen, 2)[..., 0], best_iou, rtol=1e-6)


def _questions() -> list[list[Question]]:
    """Points, boxes, both, with and without mask input."""
    return [
        [
            Question(_points(1), torch.ones(1, 1)),
            Question(_points(3), torch.tensor([[1.0, 0.0, 1.0]])),
            Question(box=_box()),
            Question(_points(2), torch.tensor([[1.0, 0.0]]), _box()),
        ],
        [
            Question(_points(6), torch.tensor([[1.0, 1.0, 0.0, 1.0, 0.0, 1.0]]), mask=_halves(1, 1, 256, 256)),
            Question(box=_box(), mask=_halves(1, 1, 256, 256)),
            Question(_points(1), torch.zeros(1, 1), _box(), _halves(1, 1, 256, 256)),
            Question(_points(2), torch.tensor([[0.0, 1.0]])),
        ],
    ]


def _points(count: int) -> Tensor:
    return torch.rand(1, count, 2) * PLAIN_SAM.image_size


def _box() -> Tensor:
    corner, size = torch.rand(1, 2) * 500, torch.rand(1, 2) * 400 + 20
    return torch.cat([corner, corner + size], dim=1)


def _halves(*shape: int) -> Tensor:
    """Draw fp32 numbers that fp16 inputs hold exactly."""
    return torch.randn(*shape).half().float()


def _first_image(prompts: Prompts) -> Prompts:
    return Prompts(*(tensor[:1] for tensor in prompts))


def _with_unused_masks(prompts: Prompts, value: float) -> Prompts:
    unused = (prompts.has_mask_input == 0)[..., None, None]
    return prompts._replace(mask_input=prompts.mask_input.masked_fill(unused, value))


def _with_slots(prompts: Prompts, label: float, count: int) -> Prompts:
    coords, labels = prompts.point_coords, prompts.point_labels
    rows = labels.shape[:2]
    return prompts._replace(
        point_coords=torch.cat([coords, torch.zeros(*rows, count, 2)], dim=2),
        point_labels=torch.cat([labels, torch.full((*rows, count), label)], dim=2),
    )


def _with_fp32_masks(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo the rounding of `low_res_masks` to fp16, which alone is coarser than the tolerance."""
    (cast,) = (node for node in model.graph.node if "low_res_masks" in node.output)
    cast.attribute[0].i = onnx.TensorProto.FLOAT
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return model


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _feed(case: Case, images: int, prompts: int) -> dict[str, np.ndarray]:
    coords, labels, masks, has_mask = (
        tensor[:images, :prompts] for tensor in _with_unused_masks(case.prompts, torch.nan)
    )
    select = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]])[:images, :prompts]
    return {
        "image_embeddings": case.embeddings[:images].half().numpy(),
        "point_coords": coords.numpy(),
        "point_labels": labels.numpy(),
        "mask_input": masks.half().numpy(),
        "has_mask_input": has_mask.numpy(),
        "select": select.numpy(),
    }


def _difference(expected: Tensor, actual: Tensor) -> float:
    return (expected - actual).abs().max().item()
