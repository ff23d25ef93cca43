"""Checkpoints in the official layouts, loaded by us, against the implementations that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from maskforge.checkpoints.loading import load_sam
from maskforge.sam.image_encoder import PIXEL_MEAN, PIXEL_STD, VitConfig
from tests.golden.reference import Question, batch, reference_sam, transformers_sam

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from maskforge.sam.model import Sam

TOLERANCE = 1e-4
VIT = VitConfig(width=192, depth=2, heads=3, global_blocks=(1,))
"""A windowed and a global block, in heads as wide as ViT-B's."""

HEIGHT, WIDTH = 1024, 683
POINTS = torch.tensor([[[100.0, 200.0], [400.0, 600.0]], [[30.0, 20.0], [512.0, 700.0]]])
LABELS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
BOXES = torch.tensor([[[50.0, 60.0, 500.0, 700.0]], [[300.0, 10.0, 600.0, 90.0]]])
WITHOUT_BOX = [Question(POINTS[:1], LABELS[:1]), Question(POINTS[1:], LABELS[1:])]
WITH_BOX = [Question(POINTS[:1], LABELS[:1], BOXES[0]), Question(POINTS[1:], LABELS[1:], BOXES[1])]


@pytest.fixture(scope="module")
def photo() -> Tensor:
    """Give an image uint8 [1,3,1024,1024] that is valid to 1024 x 683."""
    return torch.randint(0, 256, (1, 3, 1024, 1024), dtype=torch.uint8, generator=torch.manual_seed(1))


@pytest.mark.slow
def test_an_official_checkpoint_computes_what_meta_computes(tmp_path: Path, photo: Tensor) -> None:
    """Meta's `.pth` gives the embedding and the logits of segment_anything's Sam."""
    torch.manual_seed(3)
    reference = reference_sam(VIT)
    torch.save(reference.state_dict(), tmp_path / "sam.pth")
    with torch.inference_mode():
        embedding = reference.image_encoder(reference.preprocess(photo[..., :HEIGHT, :WIDTH].float()))
        answers = [_meta_answer(reference, embedding, question) for question in WITH_BOX]

        model = load_sam(tmp_path / "sam.pth")

        assert _difference(embedding, _encode(model, photo)) <= TOLERANCE
        logits, iou = model.decode(embedding, batch([WITH_BOX], 256))
    assert _difference(torch.cat([logits for logits, _ in answers]), logits[0]) <= TOLERANCE
    assert _difference(torch.cat([iou for _, iou in answers]), iou[0]) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("questions", [WITHOUT_BOX, WITH_BOX], ids=["points", "points and box"])
def test_a_hugging_face_checkpoint_computes_what_transformers_computes(
    tmp_path: Path, photo: Tensor, questions: list[Question]
) -> None:
    """The safetensors of `SamModel` give the embedding and the logits of that model.

    Its decoder's norms add 1e-6 where Meta's add 1e-5, which is most of the difference.
    """
    torch.manual_seed(4)
    reference = transformers_sam(VIT)
    reference.save_pretrained(tmp_path)
    with torch.inference_mode():
        model = load_sam(tmp_path)
        embedding = reference.get_image_embeddings(_pixels(photo))

        assert _difference(embedding, _encode(model, photo)) <= TOLERANCE
        expected_logits, expected_iou = _transformers_answer(reference, embedding, questions)
        logits, iou = model.decode(embedding, batch([questions], 256))
    assert _difference(expected_logits, logits) <= TOLERANCE
    assert _difference(expected_iou, iou) <= TOLERANCE


def _encode(model: Sam, photo: Tensor) -> Tensor:
    return model.encode(photo, torch.tensor([[HEIGHT, WIDTH]], dtype=torch.int32))


def _pixels(photo: Tensor) -> Tensor:
    """Normalise and pad as `SamImageProcessor` does."""
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (PIXEL_MEAN, PIXEL_STD))
    pixels = (photo - mean) / deviation
    pixels[..., WIDTH:] = 0
    return pixels


def _meta_answer(reference: nn.Module, embedding: Tensor, question: Question) -> tuple[Tensor, Tensor]:
    """Return all logits float [1,T,M,M] and predicted IoU float [1,T]."""
    sparse, dense = reference.prompt_encoder(question.reference_points(), question.box, question.mask)
    return reference.mask_decoder.predict_masks(
        image_embeddings=embedding,
        image_pe=reference.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
    )


def _transformers_answer(reference: nn.Module, embedding: Tensor, questions: list[Question]) -> tuple[Tensor, Tensor]:
    """Return all logits float [1,K,T,M,M] and predicted IoU float [1,K,T]: the single mask, then the three others."""
    boxes = [question.box for question in questions if question.box is not None]
    answers = [
        reference(
            image_embeddings=embedding,
            input_points=POINTS[None],
            input_labels=LABELS[None].int(),
            input_boxes=torch.stack(boxes, dim=1) if boxes else None,
            multimask_output=several,
        )
        for several in (False, True)
    ]
    return (
        torch.cat([answer.pred_masks for answer in answers], dim=2),
        torch.cat([answer.iou_scores for answer in answers], dim=2),
    )


def _difference(expected: Tensor, actual: Tensor) -> float:
    assert expected.shape == actual.shape
    return (expected - actual).abs().max().item()
