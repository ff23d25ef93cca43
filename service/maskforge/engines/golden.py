"""The golden file: a photo, prompts, and the masks that the fp32 reference gives for them.

`maskforge build` writes it, with torch, into the encoder's folder; the image that builds plans reads it, with numpy.
A plan that computes other masks is not published: TensorRT's kernels differ by GPU model, and some have been wrong
without a word (fused attention in low precision on sm_120, NVIDIA/TensorRT issue 4837).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np

from maskforge.engines.files import written_beside
from maskforge.errors import IncompleteModel

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

GOLDEN_FILE: Final = "golden.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """One photo, N prompts on it, and what the reference makes of them; no more than the decoder's largest batch.

    Attributes:
        image: uint8 [1,3,S,S], RGB, resized and padded.
        valid_hw: int32 [1,2].
        image_embeddings: float16 [1,C,E,E], the fp32 embedding rounded.
        point_coords: float32 [N,P,2], XY in the S frame.
        point_labels: float32 [N,P].
        mask_input: float16 [N,M,M], low-res logits.
        has_mask_input: float32 [N], 0 or 1; one of each shows that both ways work.
        masks: bool [N,T,M,M], the fp32 low-res logits of all tokens above 0.
    """

    image: npt.NDArray[np.uint8]
    valid_hw: npt.NDArray[np.int32]
    image_embeddings: npt.NDArray[np.float16]
    point_coords: npt.NDArray[np.float32]
    point_labels: npt.NDArray[np.float32]
    mask_input: npt.NDArray[np.float16]
    has_mask_input: npt.NDArray[np.float32]
    masks: npt.NDArray[np.bool_]


def write_golden(folder: Path, golden: Golden) -> None:
    """Write `golden.npz` into a model's folder at once; the masks are kept as bits."""
    arrays: dict[str, npt.NDArray[Any]] = {field.name: getattr(golden, field.name) for field in fields(golden)}
    arrays["masks"] = np.packbits(golden.masks, axis=-1)
    with written_beside(folder / GOLDEN_FILE) as fresh:
        np.savez_compressed(fresh, allow_pickle=False, **arrays)


def read_golden(folder: Path) -> Golden:
    """Read a model folder's golden file.

    Raises:
        IncompleteModel: There is none, or it is damaged.
    """
    path = folder / GOLDEN_FILE
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {field.name: stored[field.name] for field in fields(Golden)}
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise IncompleteModel(f"{path} cannot be read ({error}): build the model with `maskforge build`") from error
    side = arrays["mask_input"].shape[-1]
    arrays["masks"] = np.unpackbits(arrays["masks"], axis=-1, count=side).astype(np.bool_)
    return Golden(**arrays)


def encoder_inputs(golden: Golden) -> dict[str, npt.NDArray[Any]]:
    """Return what the encoder is given."""
    return {"image": golden.image, "valid_hw": golden.valid_hw}


def decoder_inputs(golden: Golden) -> dict[str, npt.NDArray[Any]]:
    """Return the prompts as a batch of N images of one prompt each, as the batcher would send them."""
    embeddings = np.repeat(golden.image_embeddings, len(golden.masks), axis=0)
    return {"image_embeddings": embeddings, **{name: values[:, None] for name, values in _prompts(golden).items()}}


def decoder_multi_inputs(golden: Golden) -> dict[str, npt.NDArray[Any]]:
    """Return the prompts as N on one image."""
    prompts = {name: values[None] for name, values in _prompts(golden).items()}
    return {"image_embeddings": golden.image_embeddings, **prompts}


def _prompts(golden: Golden) -> dict[str, npt.NDArray[Any]]:
    """Return the prompts' tensors, N first.

    `select` asks for the single mask: among the others, rounding may turn a near tie of predicted IoUs.
    """
    return {
        "point_coords": golden.point_coords,
        "point_labels": golden.point_labels,
        "mask_input": golden.mask_input,
        "has_mask_input": golden.has_mask_input,
        "select": np.zeros(len(golden.masks), dtype=np.float32),
    }


def mask_iou(ours: npt.NDArray[np.bool_], reference: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Compare masks bool [N,...]: float64 [N], each row's pixels taken together.

    Together, because of a mask of few pixels one more or less is a large share. Two empty rows are equal.
    """
    axes = tuple(range(1, ours.ndim))
    union = (ours | reference).sum(axes)
    return np.where(union, (ours & reference).sum(axes) / np.maximum(union, 1), 1.0)
