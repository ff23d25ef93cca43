from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskforge.engines.golden import (
    Golden,
    decoder_inputs,
    decoder_multi_inputs,
    encoder_inputs,
    mask_iou,
    read_golden,
    write_golden,
)
from maskforge.engines.profiles import profile_of
from maskforge.errors import IncompleteModel
from maskforge.export.triton_config import triton_models
from tests.unit.forge.engines.world import PROMPTS, TINY, golden

if TYPE_CHECKING:
    from pathlib import Path

DTYPES = {"UINT8": np.uint8, "INT32": np.int32, "FP16": np.float16, "FP32": np.float32}
NUMPY_FILE = b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }".ljust(127) + b"\n1"


def square(side: int) -> np.ndarray:
    """A mask bool [1,8,8] of side x side pixels."""
    mask = np.zeros((1, 8, 8), dtype=np.bool_)
    mask[:, :side, :side] = True
    return mask


@pytest.mark.parametrize(
    ("ours", "reference", "expected"), [(4, 4, 1.0), (2, 4, 0.25), (4, 2, 0.25), (0, 4, 0.0), (4, 0, 0.0), (0, 0, 1.0)]
)
def test_mask_iou_is_what_two_masks_share(ours: int, reference: int, expected: float) -> None:
    """The IoU is 1 for equal masks, two empty ones among them, and 0 if only one is empty."""
    assert [expected] == mask_iou(square(ours), square(reference)).tolist()


def test_the_masks_of_a_prompt_count_together() -> None:
    """Each prompt has one IoU; a small mask that is missed costs its share of the pixels."""
    ours = np.stack([np.concatenate([square(4), square(0)]), np.concatenate([square(4), square(2)])])
    reference = np.stack([np.concatenate([square(4), square(2)])] * 2)

    assert [0.8, 1.0] == mask_iou(ours, reference).tolist()


def test_a_golden_file_survives_its_file(tmp_path: Path) -> None:
    """What is read is what was written: values, dtypes and shapes."""
    write_golden(tmp_path, golden())
    read = read_golden(tmp_path)

    for field in fields(Golden):
        written, found = getattr(golden(), field.name), getattr(read, field.name)
        assert (written.dtype, written.tolist()) == (found.dtype, found.tolist())


def test_a_mask_need_not_fill_its_last_byte(tmp_path: Path) -> None:
    """A side of 12 pixels takes two bytes a row, and comes back as 12 pixels."""
    values = {field.name: getattr(golden(), field.name) for field in fields(Golden)}
    masks = np.random.default_rng(0).random((2, 4, 12, 12)) > 0.5
    write_golden(tmp_path, Golden(**values | {"masks": masks, "mask_input": np.zeros((2, 12, 12), np.float16)}))

    assert masks.tolist() == read_golden(tmp_path).masks.tolist()


def test_masks_are_kept_as_bits(tmp_path: Path) -> None:
    """Noise of 2^20 pixels, which nothing can compress, takes one bit each."""
    noise = np.random.default_rng(0).random((4, 4, 256, 256)) > 0.5
    values = {field.name: getattr(golden(), field.name) for field in fields(Golden)}
    write_golden(tmp_path, Golden(**values | {"masks": noise}))

    assert 131_072 <= (tmp_path / "golden.npz").stat().st_size < 140_000


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", b"not a zip", NUMPY_FILE])
def test_a_damaged_golden_file_is_named(content: bytes, tmp_path: Path) -> None:
    """A file that cannot be read is an error that says which file, and what to do."""
    (tmp_path / "golden.npz").write_bytes(content)

    with pytest.raises(IncompleteModel, match=r"golden\.npz cannot be read .*`maskforge build`"):
        read_golden(tmp_path)


def test_a_missing_golden_file_is_named(tmp_path: Path) -> None:
    """Without a reference there is no plan."""
    with pytest.raises(IncompleteModel, match=r"golden\.npz cannot be read .*No such file"):
        read_golden(tmp_path)


def test_the_inputs_are_those_of_the_triton_models() -> None:
    """Names, order, dtypes and shapes of what the plans are run on are those of `config.pbtxt`, within the profile."""
    made = (encoder_inputs(golden()), decoder_inputs(golden()), decoder_multi_inputs(golden()))

    for model, inputs in zip(triton_models("tiny", TINY, {}), made, strict=True):
        assert [(tensor.name, DTYPES[tensor.dtype]) for tensor in model.inputs] == [
            (name, values.dtype) for name, values in inputs.items()
        ]
        for name, shapes in profile_of(model).items():
            limits = zip(shapes.min, inputs[name].shape, shapes.max, strict=True)
            assert all(low <= size <= high for low, size, high in limits)


def test_the_decoder_gets_a_batch_and_the_multi_decoder_one_image() -> None:
    """The same prompts are N images of one prompt for the one, and N prompts on one image for the other."""
    batch, many = decoder_inputs(golden()), decoder_multi_inputs(golden())

    assert (PROMPTS, 1, 8, 2) == batch["point_coords"].shape
    assert (1, PROMPTS, 8, 2) == many["point_coords"].shape
    assert batch["point_coords"].tolist() == many["point_coords"].swapaxes(0, 1).tolist()
    assert [golden().image_embeddings[0].tolist()] * PROMPTS == batch["image_embeddings"].tolist()


def test_the_single_mask_is_selected() -> None:
    """The best of several would hang on a rounding of their predicted IoUs."""
    assert [[0.0]] * PROMPTS == decoder_inputs(golden())["select"].tolist()
