"""The reference's automatic mask generator, which imports three functions of torchvision: here they are.

Non-maximal suppression is torchvision's (csrc/ops/cpu/nms_kernel.cpp): boxes sorted stably by score, IoU in float32.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from tests.golden import reference

if TYPE_CHECKING:
    from torch import nn


def generator(model: nn.Module, **options: Any) -> Any:  # noqa: ANN401 - the reference has no types
    """Return `SamAutomaticMaskGenerator`."""
    reference.modeling()
    transforms: Any = importlib.import_module("segment_anything.utils.transforms")
    transforms.to_pil_image, transforms.resize = Image.fromarray, _resize
    module: Any = importlib.import_module("segment_anything.automatic_mask_generator")
    module.batched_nms, module.box_area = _nms, _area
    return module.SamAutomaticMaskGenerator(model, **options)


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    height, width = size
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _nms(boxes: Tensor, scores: Tensor, _one_category: Tensor, iou_threshold: float) -> Tensor:
    kept = []
    order = scores.sort(stable=True, descending=True).indices
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        low, high = boxes[order, :2].max(boxes[best, :2]), boxes[order, 2:].min(boxes[best, 2:])
        common = (high - low).clamp(min=0).prod(1)
        overlap = common / (_area(boxes[best][None]) + _area(boxes[order]) - common)
        order = order[~(overlap > iou_threshold)]
    return torch.tensor(kept, dtype=torch.int64)
