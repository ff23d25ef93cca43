"""Masks as the files that other tools read: COCO's annotations and SA-1B's records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.client import Box, ImageSize, Thing


def coco_document(name: str, size: ImageSize, things: Sequence[Thing]) -> dict[str, Any]:
    """Write COCO's annotations of one photo, all of one category; masks as compressed runs (pycocotools reads them)."""
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, "iscrowd": 0, **_record(thing)}
        for number, thing in enumerate(things, start=1)
    ]
    return {
        "images": [{"id": 1, **_image(name, size)}],
        "categories": [{"id": 1, "name": "object"}],
        "annotations": annotations,
    }


def sa1b_document(name: str, size: ImageSize, things: Sequence[Thing]) -> dict[str, Any]:
    """Write the file that SA-1B has for each of its photos."""
    annotations = [{"id": number, **_record(thing)} for number, thing in enumerate(things, start=1)]
    return {"image": {"image_id": 1, **_image(name, size)}, "annotations": annotations}


def _image(name: str, size: ImageSize) -> dict[str, Any]:
    return {"file_name": name, "width": size.width, "height": size.height}


def _record(thing: Thing) -> dict[str, Any]:
    """Write what both formats say of a mask, by SA-1B's names. Boxes are x, y, width, height."""
    mask, rle = thing.mask, thing.mask.rle
    return {
        "segmentation": rle and {"size": [rle.height, rle.width], "counts": rle.counts},
        "area": mask.area,
        "bbox": [0.0] * 4 if mask.box is None else _xywh(mask.box),
        "predicted_iou": mask.predicted_iou,
        "stability_score": mask.stability_score,
        "point_coords": [list(thing.point)],
        "crop_box": _xywh(thing.crop),
    }


def _xywh(box: Box) -> list[float]:
    return [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1]
