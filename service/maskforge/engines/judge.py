"""Decides whether a plan computes what the fp32 reference computes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from maskforge.engines.folders import DECODER_MULTI, ENCODER
from maskforge.engines.golden import Golden, decoder_inputs, decoder_multi_inputs, encoder_inputs, mask_iou
from maskforge.errors import GoldenMismatch

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from maskforge.engines.ports import Answers, Arrays, TensorRT

log = logging.getLogger(__name__)

LEAST_IOU: Final = 0.99
"""What a prompt's masks must have in common with the reference's."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Runs plans on the golden file's photo and prompts.

    Attributes:
        tensorrt: What runs them.
        golden: What they are compared with.
        decoder: The decoder's plan, which turns an encoder's embedding into masks; it is judged before.
    """

    tensorrt: TensorRT
    golden: Golden
    decoder: Path

    def __call__(self, part: str, plan: Path) -> float:
        """Return the least IoU of a prompt's masks with the reference's.

        Raises:
            GoldenMismatch: It is too small, or a number is not finite.
            ToolFailed: The plan does not run.
        """
        worst = float(self._ious(part, plan).min())
        log.info("golden check: least mask IoU %.6f", worst)
        if worst < LEAST_IOU:
            raise GoldenMismatch(
                f"The {part}'s plan computes other masks than the fp32 reference: IoU {worst:.4f}, "
                f"at least {LEAST_IOU} is required"
            )
        return worst

    def _ious(self, part: str, plan: Path) -> npt.NDArray[np.float64]:
        if part == ENCODER:
            return self._compare(self._run(self.decoder, decoder_inputs(self._seen_by(plan))))
        inputs = decoder_multi_inputs if part == DECODER_MULTI else decoder_inputs
        return self._compare(self._run(plan, inputs(self.golden)))

    def _seen_by(self, encoder: Path) -> Golden:
        """Return the golden file with that encoder's embedding in place of the reference's."""
        embeddings = self._run(encoder, encoder_inputs(self.golden))["image_embeddings"]
        log.info("golden check: cosine of the embeddings %.6f", _cosine(embeddings, self.golden.image_embeddings))
        return replace(self.golden, image_embeddings=embeddings.astype(np.float16))

    def _run(self, plan: Path, inputs: Arrays) -> Answers:
        outputs = self.tensorrt.run(plan, inputs)
        broken = [name for name, values in outputs.items() if not np.isfinite(values).all()]
        if broken:
            raise GoldenMismatch(f"The plan's numbers are not finite in {', '.join(broken)}")
        return outputs

    def _compare(self, outputs: Answers) -> npt.NDArray[np.float64]:
        """Compare all masks of each prompt, and the selected one, which is the first: float64 [N]."""
        expected = np.concatenate([self.golden.masks, self.golden.masks[:, :1]], axis=1)
        return mask_iou(_masks(outputs, expected.shape), expected)


def _masks(outputs: Answers, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return all masks of each prompt, the selected one last: bool [N,T+1,M,M]."""
    prompts, _, *side = shape
    tokens = outputs["low_res_masks"].reshape(prompts, -1, *side)
    best = outputs["best_mask"].reshape(prompts, 1, *side)
    return np.concatenate([tokens, best], axis=1) > 0


def _cosine(ours: npt.NDArray[np.float32], reference: npt.NDArray[np.float16]) -> float:
    a, b = ours.ravel().astype(np.float64), reference.ravel().astype(np.float64)
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), np.finfo(np.float64).tiny))
