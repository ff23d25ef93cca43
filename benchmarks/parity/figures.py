"""How far an engine's answers are from the reference's, in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.parity.engines import Answer, Floats, Outcome
from maskforge.engines.golden import mask_iou


@dataclass(frozen=True, slots=True)
class EmbeddingFigures:
    """Of the image embeddings.

    Attributes:
        cosine: Of the two embeddings as vectors; the smallest of the images.
        max_error: Largest difference of a number.
    """

    cosine: float
    max_error: float


@dataclass(frozen=True, slots=True)
class MaskFigures:
    """Of the masks of all prompts.

    Attributes:
        logit_max_error: Largest difference of a logit, of every token.
        logit_beyond_rounding: The same, less half a unit in the last place of the fp16 logit; what the engine's own
            rounding of its answer does not explain.
        logit_relative_error: Root mean square of the differences, by that of the logits.
        mask_iou_mean: IoU of the selected mask with the reference's, mean over the prompts.
        mask_iou_min: The smallest of them.
        iou_max_error: Largest difference of a predicted IoU.
    """

    logit_max_error: float
    logit_beyond_rounding: float
    logit_relative_error: float
    mask_iou_mean: float
    mask_iou_min: float
    iou_max_error: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one engine in one precision; `given` and `through` are those of `Outcome`."""

    embedding: EmbeddingFigures
    given: MaskFigures
    through: MaskFigures


def compare(expected: Sequence[Outcome], actual: Sequence[Outcome]) -> Figures:
    """Compare the outcomes of the same trials."""
    return Figures(
        _of_embeddings([(a.embedding, b.embedding) for a, b in zip(expected, actual, strict=True)]),
        _of_masks(_joined([a.given for a in expected]), _joined([b.given for b in actual])),
        _of_masks(_joined([a.through for a in expected]), _joined([b.through for b in actual])),
    )


def root_mean_square(arrays: Sequence[Floats]) -> float:
    """Of all numbers of the arrays: how large what is compared is."""
    return float(np.sqrt(np.mean(np.concatenate([array.ravel() for array in arrays]).astype(np.float64) ** 2)))


def _of_embeddings(pairs: Sequence[tuple[Floats, Floats]]) -> EmbeddingFigures:
    return EmbeddingFigures(
        cosine=min(_cosine(expected, actual) for expected, actual in pairs),
        max_error=max(_largest(expected - actual) for expected, actual in pairs),
    )


def _of_masks(expected: Answer, actual: Answer) -> MaskFigures:
    error = actual.logits - expected.logits
    overlap = mask_iou(actual.mask, expected.mask)
    return MaskFigures(
        logit_max_error=_largest(error),
        logit_beyond_rounding=max(0.0, float((np.abs(error) - _half_unit(actual.logits)).max())),
        logit_relative_error=root_mean_square([error]) / root_mean_square([expected.logits]),
        mask_iou_mean=float(overlap.mean()),
        mask_iou_min=float(overlap.min()),
        iou_max_error=_largest(actual.iou - expected.iou),
    )


def _joined(answers: Sequence[Answer]) -> Answer:
    return Answer(
        np.concatenate([answer.logits for answer in answers]),
        np.concatenate([answer.iou for answer in answers]),
        np.concatenate([answer.mask for answer in answers]),
    )


def _cosine(expected: Floats, actual: Floats) -> float:
    a, b = (array.astype(np.float64).ravel() for array in (expected, actual))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _largest(error: Floats) -> float:
    return float(np.abs(error).max())


def _half_unit(values: Floats) -> npt.NDArray[np.float32]:
    """Half the distance of fp16 numbers near `values`: what rounding to nearest may change."""
    spacing: npt.NDArray[np.float16] = np.spacing(np.abs(values).astype(np.float16))
    return spacing.astype(np.float32) * np.float32(0.5)
