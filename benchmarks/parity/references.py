"""The reference implementations, asked one prompt at a time as their authors ask them."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.parity.engines import Answer, Floats, answer_of
from benchmarks.parity.trials import Trial
from maskforge.sam.image_encoder import PIXEL_MEAN, PIXEL_STD
from maskforge.sam.prompt_encoder import BOX_TOP_LEFT
from tests.golden.reference import Question


class MetaReference:
    """`segment_anything`'s Sam, all four mask tokens."""

    def __init__(self, sam: Any) -> None:  # noqa: ANN401 - the package has no types
        """Ask a `segment_anything.modeling.Sam`."""
        self._sam = sam

    @torch.inference_mode()
    def encode(self, trial: Trial) -> Floats:
        """See `Engine`."""
        pixels = self._sam.preprocess(_valid_pixels(trial))
        return self._sam.image_encoder(pixels).numpy()

    @torch.inference_mode()
    def decode(self, embedding: Floats, trial: Trial) -> Answer:
        """See `Engine`."""
        answers = [self._answer(torch.from_numpy(embedding), question) for question in questions(trial)]
        return _joined(answers, trial)

    def _answer(self, embedding: Tensor, question: Question) -> tuple[Tensor, Tensor]:
        encoder = self._sam.prompt_encoder
        sparse, dense = encoder(question.reference_points(), question.box, question.mask)
        masks, iou = self._sam.mask_decoder.predict_masks(
            image_embeddings=embedding,
            image_pe=encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        return masks, iou


class TransformersReference:
    """Hugging Face's `SamModel`; it gives either the single mask or the three others, so it is asked twice."""

    def __init__(self, sam: nn.Module) -> None:
        """Ask a `transformers.SamModel`."""
        self._sam: Any = sam

    @torch.inference_mode()
    def encode(self, trial: Trial) -> Floats:
        """See `Engine`; normalises and pads as `SamImageProcessor` does."""
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (PIXEL_MEAN, PIXEL_STD))
        valid = (_valid_pixels(trial) - mean) / deviation
        pixels = torch.zeros(trial.card.image.shape)
        pixels[..., : valid.shape[-2], : valid.shape[-1]] = valid
        return self._sam.get_image_embeddings(pixels).numpy()

    @torch.inference_mode()
    def decode(self, embedding: Floats, trial: Trial) -> Answer:
        """See `Engine`."""
        answers = [self._answer(torch.from_numpy(embedding), question) for question in questions(trial)]
        return _joined(answers, trial)

    def _answer(self, embedding: Tensor, question: Question) -> tuple[Tensor, Tensor]:
        one, several = (self._ask(embedding, question, multimask=multimask) for multimask in (False, True))
        masks, iou = (torch.cat([one[name], several[name]], dim=2) for name in ("pred_masks", "iou_scores"))
        return masks[0], iou[0]

    def _ask(self, embedding: Tensor, question: Question, *, multimask: bool) -> Any:  # noqa: ANN401
        points, labels, box = question.points, question.labels, question.box
        return self._sam(
            image_embeddings=embedding,
            input_points=None if points is None else points[None],
            input_labels=None if labels is None else labels[None].int(),
            input_boxes=None if box is None else box[None],
            input_masks=question.mask,
            multimask_output=multimask,
        )


def questions(trial: Trial) -> list[Question]:
    """Put a trial's prompts as the references take them: without slots, and the box by itself."""
    rows = zip(*(torch.from_numpy(array) for array in trial.card[2:]), strict=True)
    return [_question(*row) for row in rows]


def _question(coords: Tensor, labels: Tensor, mask: Tensor, has_mask: Tensor) -> Question:
    points, box = (labels >= 0) & (labels < BOX_TOP_LEFT), labels >= BOX_TOP_LEFT
    return Question(
        points=coords[points][None] if points.any() else None,
        labels=labels[points][None] if points.any() else None,
        box=coords[box].reshape(1, 4) if box.any() else None,
        mask=mask.float()[None, None] if has_mask else None,
    )


def _valid_pixels(trial: Trial) -> Tensor:
    """Cut the padding off: float [1,3,h,w], RGB, 0 to 255."""
    height, width = trial.card.valid_hw[0]
    return torch.from_numpy(trial.card.image[..., :height, :width]).float()


def _joined(answers: list[tuple[Tensor, Tensor]], trial: Trial) -> Answer:
    logits, iou = (torch.cat(tensors).numpy() for tensors in zip(*answers, strict=True))
    return answer_of(logits, iou, trial)
