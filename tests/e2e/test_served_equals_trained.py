"""What is served is what was trained: the whole path against the forge's own, in fp32 with torch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from maskforge.evaluation.predictors import TorchPredictor
from maskforge.lite0.model import load_lite0
from maskforge.preprocessing import MASK_THRESHOLD, Letterbox
from tests.e2e import photos

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskgate.client import Client
    from maskgate.domain.prompt import Box


@pytest.fixture(scope="module")
def predictor() -> TorchPredictor:
    return TorchPredictor(load_lite0(Path("model_repository/lite0_encoder/weights.safetensors")), threads=2)


@pytest.mark.parametrize("name", ["cat", "bus", "pizza"])
def test_masks_agree(client: Client, predictor: TorchPredictor, name: str) -> None:
    """The mask for a box is the forge's wherever the forge is sure: bf16 moves logits of up to 20 by less than 1."""
    content, box = photos.fresh(name), photos.truth(name).box
    logits = _forge_logits(predictor, content, box)
    answer = client.image(content).segment(box=box, multimask="single")
    agree = answer.best.pixels == (logits > MASK_THRESHOLD)

    assert agree[np.abs(logits) > 1].mean() > 0.999
    assert agree.mean() > 0.97


def _forge_logits(predictor: TorchPredictor, content: bytes, box: Box) -> npt.NDArray[np.float32]:
    """The single-mask token's logits float32 [H, W] at the size of the photo."""
    with Image.open(io.BytesIO(content)) as image:
        letterbox = Letterbox.fit(image.height, image.width, predictor.image_size)
        frame = letterbox.resize(image.convert("RGB"))
    embedding = predictor.encode(frame, (letterbox.new_height, letterbox.new_width))
    corners = np.array([[(box.x1, box.y1), (box.x2, box.y2)]], np.float32)
    logits, _ = predictor.decode(embedding, letterbox.to_frame(corners), np.array([[2, 3]], np.float32))
    at_photo: npt.NDArray[np.float32] = letterbox.to_photo(logits[:, :1])[0, 0].numpy()
    return at_photo
