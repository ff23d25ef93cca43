"""Small image files of every kind, made on the spot."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

ORIENTATION_TAG = 0x0112

Pixels = npt.NDArray[np.uint8]


def pixels(width: int = 40, height: int = 30) -> Pixels:
    """RGB [H, W, 3] that tells left from right, top from bottom, and red from green from blue."""
    y, x = np.mgrid[0:height, 0:width]
    channels = (x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), np.full_like(x, 60))
    return np.stack(channels, axis=-1).astype(np.uint8)


def rgb(width: int = 40, height: int = 30) -> Image.Image:
    return Image.fromarray(pixels(width, height))


def write(image: Image.Image, kind: str, *, orientation: int | None = None, **options: object) -> bytes:
    """Write an image as a file, with an EXIF orientation if one is given."""
    if orientation is not None:
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = orientation
        options["exif"] = exif
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int = 40, height: int = 30) -> bytes:
    return write(rgb(width, height), "PNG")


def jpeg(width: int = 40, height: int = 30, *, orientation: int | None = None) -> bytes:
    return write(rgb(width, height), "JPEG", orientation=orientation, quality=95)


def sixteen_bit() -> Image.Image:
    """Grey with 16 bits a channel, 0 to 65535 from left to right."""
    ramp = np.linspace(0, 65535, 40).astype(np.uint16)
    return Image.fromarray(np.tile(ramp, (30, 1)))


def animation(kind: str) -> bytes:
    """Two frames, of which the second is black."""
    return write(rgb(), kind, save_all=True, append_images=[Image.new("RGB", (40, 30))], duration=100)


def with_transparency() -> Image.Image:
    image = rgb().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 40))
    return image


UNUSUAL = {
    "CMYK JPEG": write(rgb().convert("CMYK"), "JPEG", quality=95),
    "palette PNG": write(rgb().convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
    "palette PNG with transparency": write(rgb().convert("P"), "PNG", transparency=3),
    "grey PNG": write(rgb().convert("L"), "PNG"),
    "grey PNG with alpha": write(rgb().convert("LA"), "PNG"),
    "1-bit PNG": write(rgb().convert("1"), "PNG"),
    "16-bit PNG": write(sixteen_bit(), "PNG"),
    "16-bit TIFF": write(sixteen_bit(), "TIFF"),
    "32-bit TIFF": write(sixteen_bit().convert("I"), "TIFF"),
    "CMYK TIFF": write(rgb().convert("CMYK"), "TIFF"),
    "RGBA PNG": write(with_transparency(), "PNG"),
    "RGBA WebP": write(with_transparency(), "WEBP", lossless=True),
    "animated GIF": animation("GIF"),
    "animated WebP": animation("WEBP"),
    "animated PNG": animation("PNG"),
    "AVIF": write(rgb(), "AVIF"),
    "BMP": write(rgb(), "BMP"),
    "progressive JPEG": write(rgb(), "JPEG", progressive=True),
    "several pictures in a JPEG": animation("MPO"),
}
"""Files of 40 x 30 pixels that are to be read as RGB, first frame."""
