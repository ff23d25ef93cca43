"""Images to be encoded, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.source import ContentSource, KeptSource, UrlSource
from maskgate.transport.rest.schemas.errors import ErrorDetail
from maskgate.transport.rest.schemas.requests import Request, bytes_of
from maskgate.transport.status import told
from maskgate.usecases.encode_images import Encoded

if TYPE_CHECKING:
    from maskgate.domain.source import ImageSource as DomainSource
    from maskgate.usecases.encode_images import Outcome


class ImageSource(Request):
    """Where an image comes from: exactly one of the fields."""

    image_id: str | None = Field(None, description="An image that is kept.")
    content: str | None = Field(None, description="A file, which is kept then; base64.")
    url: str | None = Field(None, description="An https address to fetch the file from, where the server allows it.")

    def to_domain(self) -> DomainSource:
        """Read a source. Raises InvalidRequest."""
        match (self.image_id, self.content, self.url):
            case (str(image_id), None, None):
                return KeptSource(image_id)
            case (None, str(content), None):
                return ContentSource(bytes_of(content, "images.content"))
            case (None, None, str(url)):
                return UrlSource(url)
        raise InvalidRequest("An image needs exactly one of image_id, content and url.", field="images")


class EncodeImagesRequest(Request):
    """Asks to encode images."""

    images: list[ImageSource] = Field(description="1 to 256 images.")
    model: str = Field("", description="Name of the model; empty means the server's default.")

    def to_sources(self) -> list[DomainSource]:
        """Read the images. Raises InvalidRequest."""
        return [image.to_domain() for image in self.images]


class EncodeImagesResponse(BaseModel):
    """One image that is done: a line of the answer."""

    index: int = Field(description="Its place in the request, from 0.")
    image_id: str | None = Field(description="The image; null where it failed before that was known.")
    width: int | None = Field(description="Pixels, after the EXIF orientation has been applied; null where it failed.")
    height: int | None = Field(description="Pixels, after the EXIF orientation has been applied; null where it failed.")
    cache_tier: Literal["miss", "l1", "l2"] | None = Field(description="Where the embedding came from.")
    error: ErrorDetail | None = Field(description="Why it failed.")

    @classmethod
    def of(cls, outcome: Outcome) -> EncodeImagesResponse:
        """Write what became of an image."""
        result = outcome.result
        done = result if isinstance(result, Encoded) else None
        return cls(
            index=outcome.index,
            image_id=None if outcome.image_id is None else str(outcome.image_id),
            width=None if done is None else done.size.width,
            height=None if done is None else done.size.height,
            cache_tier=None if done is None else done.tier.value,
            error=None if isinstance(result, Encoded) else ErrorDetail.of(told(result)),
        )
