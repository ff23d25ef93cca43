"""What a graph computes, against the fp32 model that it was made from.

One thing a comparison cannot show: on a CPU without fp16, OpenVINO computes an fp16 graph in fp32, and what is beyond
fp16's range passes. So the fp32 model's own values are looked at, and must leave room.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from maskforge.compiled_graph import CompiledGraph
from maskforge.engines.golden import Golden, decoder_multi_inputs, encoder_inputs, mask_iou
from maskforge.errors import ParityFailed
from maskforge.export.test_card import TestCard
from maskforge.sam.model import Prompts, Sam
from maskforge.sam.precision import Precision

LEAST_COSINE: Final = {Precision.FP32: 0.99999, Precision.BF16: 0.999, Precision.FP16: 0.999}
LARGEST_LOGIT_ERROR: Final = {Precision.FP32: 0.001, Precision.BF16: 0.05, Precision.FP16: 0.02}
"""Relative: root mean square of the difference, by that of the logits."""

LARGEST_VALUE: Final = {Precision.FP32: math.inf, Precision.BF16: math.inf, Precision.FP16: 30_000.0}
"""fp16 ends at 65504; half of it is for what lies between modules: sums before a norm, scores of an attention."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EncoderParity:
    """How near the graph's embedding is to the reference's.

    Attributes:
        embedding_cosine: Of the two embeddings as vectors.
        embedding_max_error: Largest difference of a number; the embedding's own spread is about 1.
    """

    embedding_cosine: float
    embedding_max_error: float


@dataclass(frozen=True, slots=True)
class DecoderParity:
    """How near the graph's masks are to the reference's, on the reference's embedding.

    Attributes:
        logit_max_error: Largest difference of a logit.
        logit_relative_error: Root mean square of the differences, by that of the logits.
        mask_iou: The smallest IoU of a prompt's masks; means little on random weights, whose logits are all near 0.
        iou_max_error: Largest difference of a predicted IoU.
    """

    logit_max_error: float
    logit_relative_error: float
    mask_iou: float
    iou_max_error: float


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The fp32 model's answers to the test card.

    Attributes:
        golden: What is kept of them.
        logits: float32 [N,T,M,M].
        iou: float32 [N,T], predicted.
        encoder_peak: Largest absolute value that a module put out to be computed with in low precision; NaN, which
            fits nowhere, if the embeddings were made before.
        decoder_peak: The same, of decoding.
    """

    golden: Golden
    logits: Floats
    iou: Floats
    encoder_peak: float
    decoder_peak: float


@torch.inference_mode()
def answer_test_card(model: Sam, card: TestCard, embeddings: npt.NDArray[np.float16] | None) -> Reference:
    """Let the fp32 model answer; embeddings that it gave before, float16 [1,C,E,E], save it the encoding."""
    encoding, decoding = Peak(math.nan), Peak()
    if embeddings is None:
        encoding = Peak()
        with encoding.of(model):
            encoded = model.encode(torch.from_numpy(card.image), torch.from_numpy(card.valid_hw))
        embeddings = encoded.to(torch.float16).numpy()
    prompts = Prompts(*(torch.from_numpy(array).unsqueeze(0) for array in card[2:]))
    with decoding.of(model):
        logits, iou = (tensor[0].numpy() for tensor in model.decode(torch.from_numpy(embeddings), prompts))
    golden = Golden(**{**card._asdict(), "image_embeddings": embeddings, "masks": logits > 0})
    return Reference(golden, logits, iou, encoding.value, decoding.value)


class Peak:
    """The largest absolute value that the modules of a model put out, as far as low precision will have to hold it.

    What is inside a module that is marked `full_precision` is left out; what such a module puts out is not, for the
    modules after it cast that down.
    """

    def __init__(self, value: float = 0.0) -> None:
        """Start from a value."""
        self.value = value

    @contextmanager
    def of(self, model: nn.Module) -> Iterator[None]:
        """Watch a model for a while."""
        handles = [module.register_forward_hook(self._see) for module in _lowered(model)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _see(self, _module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...] | list[Tensor]) -> None:
        for tensor in [output] if isinstance(output, Tensor) else output:
            peak = torch.linalg.vector_norm(tensor, ord=math.inf).item()
            self.value = float(np.maximum(self.value, peak))  # NaN stays NaN, other than with max()


def _lowered(module: nn.Module) -> Iterator[nn.Module]:
    """Find the modules that are in no `full_precision` one."""
    yield module
    if not getattr(module, "full_precision", False):
        for child in module.children():
            yield from _lowered(child)


def measure_encoder(graph: Path, reference: Reference) -> EncoderParity:
    """Run an encoder's graph on the test card."""
    actual = CompiledGraph(graph)(encoder_inputs(reference.golden))["image_embeddings"]
    return compare_embeddings(reference.golden.image_embeddings, actual)


def measure_decoder(graph: Path, reference: Reference) -> DecoderParity:
    """Run a decoder's graph on the test card, all prompts at once."""
    answer = CompiledGraph(graph)(decoder_multi_inputs(reference.golden))
    return compare_masks(reference, answer["low_res_masks"][0], answer["iou_predictions"][0])


def compare_embeddings(expected: npt.NDArray[np.float16], actual: npt.NDArray[np.float16]) -> EncoderParity:
    """Compare embeddings of one shape."""
    a, b = (array.astype(np.float64).ravel() for array in (expected, actual))
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    return EncoderParity(float(cosine), float(np.abs(a - b).max()))


def compare_masks(reference: Reference, logits: npt.NDArray[np.float16], iou: Floats) -> DecoderParity:
    """Compare logits [N,T,M,M] and predicted IoU [N,T]."""
    error = logits.astype(np.float64) - reference.logits
    return DecoderParity(
        logit_max_error=float(np.abs(error).max()),
        logit_relative_error=float(np.sqrt((error**2).mean() / (reference.logits.astype(np.float64) ** 2).mean())),
        mask_iou=float(mask_iou(logits > 0, reference.golden.masks).min()),
        iou_max_error=float(np.abs(iou - reference.iou).max()),
    )


def require_parity(figures: EncoderParity | DecoderParity, peak: float, precision: Precision) -> dict[str, float]:
    """Return the figures of a graph and the reference's peak, if they are within the bounds of the precision.

    Raises:
        ParityFailed: They are not.
    """
    if isinstance(figures, EncoderParity):
        good = figures.embedding_cosine >= LEAST_COSINE[precision]
    else:
        good = figures.logit_relative_error <= LARGEST_LOGIT_ERROR[precision]
    if not good:
        raise ParityFailed(f"the {precision} graph is too far from the fp32 model, and is not published: {figures}")
    if not peak <= LARGEST_VALUE[precision]:  # NaN is no less
        raise ParityFailed(
            f"the fp32 model computes values up to {peak:.0f}, and {precision} may overflow above "
            f"{LARGEST_VALUE[precision]:.0f}: the graph is not published. bf16 has the range of fp32"
        )
    return {**asdict(figures), "peak": peak}
