"""What is known of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from maskgate.domain.image import ImageInfo


class Image(BaseModel):
    """An image that is kept."""

    image_id: str = Field(description="'sha256:' and the SHA-256 of the uploaded bytes in hexadecimal.")
    width: int = Field(description="Pixels, after the EXIF orientation has been applied.")
    height: int = Field(description="Pixels, after the EXIF orientation has been applied.")
    format: str = Field(description="Format of the file, such as 'JPEG'.")
    size_bytes: int = Field(description="Size of the uploaded file.")

    @classmethod
    def of(cls, info: ImageInfo) -> Image:
        """Write an image."""
        return cls(
            image_id=str(info.image_id),
            width=info.size.width,
            height=info.size.height,
            format=info.format,
            size_bytes=info.size_bytes,
        )
