"""Draws masks and their prompts on a photo, for eyes."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from maskgate.domain.prompt import Prompt

_MASK_COLOUR = (30, 144, 255)
_FOREGROUND_COLOUR = (0, 220, 90)
_BACKGROUND_COLOUR = (240, 50, 50)
_TINT = 0.5
_GOLDEN = 0.618034
_SHEET_COLUMNS = 3
_SHEET_GAP = 8
_CAPTION_HEIGHT = 28


def draw_overlay(photo: Path, mask: npt.NDArray[np.bool_], prompt: Prompt) -> Image.Image:
    """Tint the mask, outline it, and mark points and box."""
    with Image.open(photo) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    stencil = Image.fromarray(mask.astype(np.uint8) * 255)
    image.paste(_MASK_COLOUR, mask=stencil.point(lambda value: value * 2 // 5))
    outline = np.asarray(stencil.filter(ImageFilter.MaxFilter(3))) > np.asarray(
        stencil.filter(ImageFilter.MinFilter(3))
    )
    image.paste((255, 255, 255), mask=Image.fromarray(outline.astype(np.uint8) * 255))
    _draw_prompt(ImageDraw.Draw(image), prompt, radius=max(4, max(image.size) // 120))
    return image


def draw_things(photo: Path, masks: Sequence[npt.NDArray[np.bool_]]) -> Image.Image:
    """Tint each mask in a colour of its own, the large ones below the small, and outline it in that colour."""
    with Image.open(photo) as opened:
        image = np.asarray(ImageOps.exif_transpose(opened).convert("RGB")).astype(np.float32)
    largest_first = sorted(masks, key=lambda mask: -int(mask.sum()))
    tinted = image.copy()
    for number, mask in enumerate(largest_first):
        tinted[mask] = (1 - _TINT) * image[mask] + _TINT * _colour(number)
    for number, mask in enumerate(largest_first):
        tinted[_outline(mask)] = 0.25 * 255 + 0.75 * _colour(number)
    return Image.fromarray(tinted.round().clip(0, 255).astype(np.uint8))


def _colour(number: int) -> npt.NDArray[np.float32]:
    """Return a colour, RGB 0..255, far from those of the numbers before: hues go on by the golden ratio."""
    value = (0.95, 0.8)[number % 2]
    return np.array(colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.85, value), np.float32) * 255


def _outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels of a mask that have a neighbour outside of it, bool [H, W]."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: npt.NDArray[np.bool_] = mask & ~inner
    return edge


def _draw_prompt(draw: ImageDraw.ImageDraw, prompt: Prompt, *, radius: int) -> None:
    if box := prompt.box:
        draw.rectangle((box.x1, box.y1, box.x2 - 1, box.y2 - 1), outline=_FOREGROUND_COLOUR, width=max(2, radius // 3))
    for point in prompt.points:
        colour = _FOREGROUND_COLOUR if point.label else _BACKGROUND_COLOUR
        around = (point.x - radius, point.y - radius, point.x + radius, point.y + radius)
        draw.ellipse(around, fill=colour, outline=(255, 255, 255), width=2)


def draw_sheet(pictures: Mapping[str, Image.Image]) -> Image.Image:
    """Put pictures of one size side by side, each above its caption."""
    width, height = next(iter(pictures.values())).size
    step_x, step_y = width + _SHEET_GAP, height + _CAPTION_HEIGHT
    columns = min(_SHEET_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * step_x - _SHEET_GAP, rows * step_y), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_CAPTION_HEIGHT * 0.6)
    for index, (caption, picture) in enumerate(pictures.items()):
        left, top = index % columns * step_x, index // columns * step_y
        sheet.paste(picture, (left, top))
        draw.text((left + 4, top + height + 4), caption, fill="black", font=font)
    return sheet
