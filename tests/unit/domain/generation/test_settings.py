from __future__ import annotations

import pytest

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.generation.query import GenerationQuery
from maskgate.domain.generation.settings import GenerationSettings, refuse_absurd
from maskgate.domain.image import ImageId
from maskgate.domain.output import MaskOutput


def test_long_grids_are_refused_unread() -> None:
    """More coordinates than four of the finest grids have are not even looked at."""
    refuse_absurd(2 * 4 * 128**2)

    with pytest.raises(InvalidRequest) as caught:
        refuse_absurd(2 * 4 * 128**2 + 1)

    assert "point_grids" == caught.value.metadata["field"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["pred_iou_thresh", "stability_score_offset", "crop_overlap_ratio"])
def test_numbers_are_finite(name: str, value: float) -> None:
    """What is no number is refused like what is out of range."""
    with pytest.raises(InvalidRequest) as caught:
        GenerationSettings(**{name: value})  # type: ignore[arg-type]

    assert name == caught.value.metadata["field"]


def test_masks_have_no_handles() -> None:
    """A generation does not keep logits for clicks, and says so."""
    with pytest.raises(InvalidRequest):
        GenerationQuery(ImageId.of(b""), output=MaskOutput(handles=True))
