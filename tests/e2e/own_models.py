"""A checkpoint of one's own: made with the reference, turned into a Triton model by the command line."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from maskforge.preprocessing import Letterbox
from tests.golden.reference import reference_sam

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

    from maskforge.sam.image_encoder import VitConfig
    from maskgate.domain.prompt import Point

PARTS = ("encoder", "decoder", "decoder_multi")
COMMITTED = Path("model_repository")
BUILD_SECONDS = 1800


def save_reference(vit: VitConfig, path: Path) -> nn.Module:
    """Write a checkpoint as Meta's are, of random weights, and give Meta's own model with them."""
    torch.manual_seed(5)
    reference = reference_sam(vit)
    torch.save(reference.state_dict(), path)
    return reference


def build(name: str, checkpoint: Path, repository: Path) -> None:
    """Run `maskforge build` as a user does."""
    command = ["maskforge", "build", name, "--checkpoint", str(checkpoint), "--output", str(repository)]
    finished = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert finished.returncode == 0, finished.stderr


def link_lite0(repository: Path) -> None:
    """Put the committed model into a repository, too."""
    for part in PARTS:
        (repository / f"lite0_{part}").symlink_to((COMMITTED / f"lite0_{part}").resolve())


def reference_logits(reference: nn.Module, content: bytes, clicks: Sequence[Point]) -> list[npt.NDArray[np.float32]]:
    """What Meta's model says to each click on a photo: the single mask's logits float32 [H, W] at the photo's size."""
    with Image.open(io.BytesIO(content)) as photo:
        letterbox = Letterbox.fit(photo.height, photo.width, reference.image_encoder.img_size)
        frame = letterbox.resize(photo.convert("RGB"))
    valid = torch.from_numpy(frame[: letterbox.new_height, : letterbox.new_width]).permute(2, 0, 1)
    with torch.inference_mode():
        embedding = reference.image_encoder(reference.preprocess(valid.float()[None]))
        coords = [torch.from_numpy(letterbox.to_frame([[(click.x, click.y)]])) for click in clicks]
        low_res = [_single_mask(reference, embedding, point) for point in coords]
    return [letterbox.to_photo(logits)[0, 0].numpy() for logits in low_res]


def _single_mask(reference: nn.Module, embedding: Tensor, click: Tensor) -> Tensor:
    """Decode a click float [1,1,2]: logits float [1,1,M,M]."""
    sparse, dense = reference.prompt_encoder(points=(click, torch.ones(1, 1)), boxes=None, masks=None)
    logits, _ = reference.mask_decoder(
        image_embeddings=embedding,
        image_pe=reference.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )
    return logits
