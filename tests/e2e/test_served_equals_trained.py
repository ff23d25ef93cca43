"""What is served is what was trained: the whole path against the forge's own, in fp32 with torch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as run_lengths

from maskforge.annotations import Annotation, Photo
from maskforge.evaluation.local import LocalPredictor
from maskforge.evaluation.models import FramedPrompts, TorchModel
from maskforge.evaluation.protocol import measure
from maskforge.evaluation.served import ServedPredictor, Service
from maskforge.lite0.model import load_lite0
from maskforge.preprocessing import MASK_THRESHOLD, Letterbox
from tests.e2e import photos

if TYPE_CHECKING:
    import httpx
    import numpy.typing as npt

    from maskgate.client import Client
    from maskgate.domain.prompt import Box

NAMES = ("cat", "bus", "pizza")
FIRST_ANSWERS = ("box", "box_single", "box_refined", "click", "click_single", "click_oracle")


@pytest.fixture(scope="module")
def model() -> TorchModel:
    return TorchModel(load_lite0(Path("model_repository/lite0_encoder/weights.safetensors")), threads=2)


@pytest.mark.parametrize("name", NAMES)
def test_masks_agree(client: Client, model: TorchModel, name: str) -> None:
    """The mask for a box is the forge's wherever the forge is sure: bf16 moves logits of up to 20 by less than 1."""
    content, box = photos.fresh(name), photos.truth(name).box
    logits = _forge_logits(model, content, box)
    answer = client.image(content).segment(box=box, multimask="single")
    agree = answer.best.pixels == (logits > MASK_THRESHOLD)

    assert agree[np.abs(logits) > 1].mean() > 0.999
    assert agree.mean() > 0.97


def test_figures_agree(rest: httpx.Client, model: TorchModel) -> None:
    """The evaluator measures the same through the service as in torch.

    Over all masks of the evaluation set the figures are within .005; of three masks each may lie a little apart. Clicks
    that depend on the answers before them are not compared: a click elsewhere leads elsewhere.
    """
    served = ServedPredictor(Service(str(rest.base_url), "lite0"), rest)
    ours, theirs = (
        [measure(photo, predictor.look_at(photo))[0].ious for photo in map(_annotated, NAMES)]
        for predictor in (LocalPredictor(model), served)
    )

    assert [list(each) for each in ours] == [list(each) for each in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert {figure: pytest.approx(one[figure], abs=0.03) for figure in FIRST_ANSWERS} == {
            figure: other[figure] for figure in FIRST_ANSWERS
        }


def _annotated(name: str) -> Photo:
    truth = photos.truth(name).pixels
    encoded = run_lengths.encode(np.asfortranarray(truth.astype(np.uint8)))
    path = photos.FOLDER / f"{name}.jpg"
    return Photo(path, truth.shape[1], truth.shape[0], name, (Annotation(int(truth.sum()), encoded, None),))


def _forge_logits(model: TorchModel, content: bytes, box: Box) -> npt.NDArray[np.float32]:
    """The single-mask token's logits float32 [H, W] at the size of the photo."""
    with Image.open(io.BytesIO(content)) as image:
        letterbox = Letterbox.fit(image.height, image.width, model.image_size)
        frame = letterbox.resize(image.convert("RGB"))
    embedding = model.encode(frame, (letterbox.new_height, letterbox.new_width))
    corners = np.array([[(box.x1, box.y1), (box.x2, box.y2)]], np.float32)
    prompts = FramedPrompts(letterbox.to_frame(corners), np.array([[2, 3]], np.float32))
    logits, _ = model.decode(embedding, prompts)
    at_photo: npt.NDArray[np.float32] = letterbox.to_photo(logits[:, :1])[0, 0].numpy()
    return at_photo
