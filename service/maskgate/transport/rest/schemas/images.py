"""What is known of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from maskgate.transport.rest.schemas.requests import Request

if TYPE_CHECKING:
    from maskgate.domain.image import ImageInfo
    from maskgate.usecases.check_images import CheckedImages


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


class CheckImagesRequest(Request):
    """Asks for many images."""

    image_ids: list[str] = Field(description="Identifiers, at most 1,000.")


class CheckImagesResponse(BaseModel):
    """What is kept, in the order of the request."""

    images: list[Image] = Field(description="Those that are kept.")
    missing: list[str] = Field(description="The identifiers of those that have to be uploaded.")

    @classmethod
    def of(cls, checked: CheckedImages) -> CheckImagesResponse:
        """Write what is kept."""
        return cls(images=list(map(Image.of, checked.images)), missing=list(map(str, checked.missing)))
