from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maskgate.client import _answers, _asking
from maskgate.client._errors import error_of_part
from maskgate.domain.granularity import Granularity
from maskgate.domain.mask_prompt import LogitsSource, MaskSource, PngSource
from maskgate.domain.outline import Polygon
from maskgate.domain.output import CroppedPng, LowResLogits, MaskFormat, MaskOutput, RenderedMask
from maskgate.domain.prompt import Box, CoordinateSpace, Multimask
from maskgate.domain.rle import Rle
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc.converters import masks, prompts

EVERY_FORM = MaskOutput(frozenset(MaskFormat), polygon_tolerance=1.5, polygon_min_area=20)
MASK = RenderedMask(
    predicted_iou=0.75,
    stability_score=0.5,
    token=3,
    area=6,
    box=Box(1, 2, 4, 4),
    rle=Rle.encode(np.eye(4, 5, dtype=np.bool_)),
    png=b"png",
    cropped_png=CroppedPng(b"part", 1, 2),
    polygons=(Polygon((0, 0, 5, 0, 5, 4, 0, 4), ((1, 1, 1, 2, 2, 2, 2, 1),), 19),),
    low_res_logits=LowResLogits(b"\0" * 8, 2, 1.5, 2.0),
    granularity=Granularity.SUBPART,
)
EMPTY = RenderedMask(predicted_iou=0.25, stability_score=0.0, token=0, area=0, box=None)


@pytest.mark.parametrize(
    ("mask", "output"),
    [
        (MASK, EVERY_FORM),
        (EMPTY, MaskOutput(frozenset({MaskFormat.CROPPED_PNG}))),
        (replace(EMPTY, polygons=()), MaskOutput(frozenset({MaskFormat.POLYGONS}))),
    ],
    ids=["every form", "an empty mask", "no polygons"],
)
def test_masks_come_as_they_were_sent(mask: RenderedMask, output: MaskOutput) -> None:
    """What the gateway writes the client reads: every form, and that one was not asked for or is empty."""
    sent = masks.from_mask(mask).SerializeToString()

    assert mask == _answers.to_mask(pb.Mask.FromString(sent), output)


def test_wishes_arrive() -> None:
    """What the client asks for the gateway reads."""
    assert EVERY_FORM == prompts.to_output(_asking.from_output(EVERY_FORM))
    assert set(Multimask) == {prompts.to_multimask(value) for value in _asking._MULTIMASK.values()}


def test_coordinate_spaces_arrive() -> None:
    """The client names each space as the gateway does."""
    assert set(CoordinateSpace) == {prompts._COORDINATES[value] for value in _asking._COORDINATES.values()}


@pytest.mark.parametrize("mask", [LogitsSource(b"12"), PngSource(b"png")])
def test_masks_to_start_from_arrive(mask: MaskSource) -> None:
    """What the client starts from the gateway reads."""
    assert mask == prompts._to_mask(_asking._from_source(mask))


def test_pixels_need_runs() -> None:
    """A mask that was asked for in other forms alone says so."""
    np.testing.assert_array_equal(np.eye(4, 5, dtype=np.bool_), MASK.pixels)
    with pytest.raises(ValueError, match="not asked for"):
        _ = EMPTY.pixels


def test_a_code_of_tomorrow() -> None:
    """A part may fail with a code that this client is too old to know: it is an error all the same."""
    raised = error_of_part(pb.Error(code="OUT_OF_PATIENCE", reason="TOO_LATE", message="Come tomorrow."))

    assert ("TOO_LATE", "Come tomorrow.") == (raised.reason, raised.message)
