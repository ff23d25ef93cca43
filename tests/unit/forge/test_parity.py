"""What keeps a graph from being published: too far from the fp32 model, or values that its precision cannot hold."""

from __future__ import annotations

from dataclasses import asdict
from math import inf, isnan, nan
from typing import TYPE_CHECKING

import pytest
import torch

from maskforge.errors import ParityFailed
from maskforge.export.graphs import export_encoder, save_graph
from maskforge.export.parity import DecoderParity, Reference, answer_test_card, measure_encoder, require_parity
from maskforge.export.test_card import draw_test_card
from maskforge.sam.precision import Precision, lower
from tests.unit.forge.test_building import SIZES, tiny_sam

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from maskforge.sam.model import Sam

LARGEST_HALF = torch.finfo(torch.float16).max
EXACT = DecoderParity(logit_max_error=0, logit_relative_error=0, mask_iou=1, iou_max_error=0)


def scaled(name: str, scale: float) -> Sam:
    """The tiny model with one of its weights scaled, still within fp16."""
    model = tiny_sam().eval()
    with torch.no_grad():
        model.get_parameter(name).mul_(scale)
    assert model.get_parameter(name).abs().max() < LARGEST_HALF
    return model


def answer(model: Sam, embeddings: npt.NDArray[np.float16] | None = None) -> Reference:
    return answer_test_card(model, draw_test_card(SIZES), embeddings)


@pytest.mark.slow
def test_activations_beyond_fp16_are_refused_in_fp16(tmp_path: Path) -> None:
    """The weights fit and the graph's embedding is right, on a CPU that computes fp16 in fp32; a GPU would overflow."""
    model = scaled("image_encoder.blocks.0.mlp.lin2.weight", 4e5)
    reference = answer(model)
    lower(model, Precision.BF16)
    save_graph(export_encoder(model), tmp_path / "model.onnx")
    figures = measure_encoder(tmp_path / "model.onnx", reference)

    published = require_parity(figures, reference.encoder_peak, Precision.BF16)

    assert published["peak"] > LARGEST_HALF
    with pytest.raises(ParityFailed, match=r"values up to \d{5,}, and fp16 may overflow above 30000"):
        require_parity(figures, reference.encoder_peak, Precision.FP16)


def test_peaks_of_both_parts_are_told_apart() -> None:
    """What the decoder reaches is no reason to refuse the encoder, and the other way round."""
    decoder = answer(scaled("mask_decoder.transformer.layers.0.mlp.lin2.weight", 4e5))
    encoder = answer(scaled("image_encoder.blocks.0.mlp.lin2.weight", 4e5))

    assert decoder.decoder_peak > LARGEST_HALF > 100 > decoder.encoder_peak
    assert encoder.encoder_peak > LARGEST_HALF > 100 > encoder.decoder_peak


def test_values_inside_what_stays_in_fp32_do_not_count() -> None:
    """The head of the predicted IoU may compute with any values, as long as it does not put them out."""
    model = scaled("mask_decoder.iou_prediction_head.layers.0.weight", 1e5)
    with torch.no_grad():
        model.get_parameter("mask_decoder.iou_prediction_head.layers.2.weight").zero_()

    assert answer(model).decoder_peak < 100


def test_an_encoder_that_was_not_run_has_no_peak() -> None:
    """Embeddings that were made before give the same answers, and say nothing of how they were made."""
    model = tiny_sam().eval()
    first = answer(model)
    again = answer(model, first.golden.image_embeddings)

    assert first.decoder_peak == again.decoder_peak
    assert isnan(again.encoder_peak)


def test_the_model_is_watched_while_it_answers_only() -> None:
    """No hook stays behind to be exported or to slow the model down."""
    model = tiny_sam().eval()
    answer(model)

    assert not [name for name, module in model.named_modules() if module._forward_hooks]


@pytest.mark.parametrize(
    ("precision", "peak"), [(Precision.FP16, 30_000), (Precision.BF16, 1e30), (Precision.FP32, inf)]
)
def test_peaks_within_the_range_are_published(precision: Precision, peak: float) -> None:
    """The peak is among the figures; bf16 and fp32 hold what the fp32 model reaches."""
    assert {**asdict(EXACT), "peak": peak} == require_parity(EXACT, peak, precision)


@pytest.mark.parametrize(
    ("precision", "peak"), [(Precision.FP16, 30_001), (Precision.FP16, nan), (Precision.BF16, nan)]
)
def test_peaks_beyond_the_range_are_refused(precision: Precision, peak: float) -> None:
    """Half of fp16's range is kept for what lies between modules; NaN fits nowhere."""
    with pytest.raises(ParityFailed, match="may overflow"):
        require_parity(EXACT, peak, precision)
