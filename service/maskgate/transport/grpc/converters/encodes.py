"""Images to be encoded out of messages, and what became of them into messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.source import ContentSource, KeptSource, UrlSource
from maskgate.transport.grpc._pb import images_pb2 as pb
from maskgate.transport.grpc.converters.errors import from_error
from maskgate.transport.grpc.converters.timing import from_cache_tier
from maskgate.usecases.encode_images import Encoded

if TYPE_CHECKING:
    from maskgate.domain.source import ImageSource
    from maskgate.usecases.encode_images import Outcome


def to_source(message: pb.ImageSource) -> ImageSource:
    """Read where an image comes from. Raises InvalidRequest."""
    match message.WhichOneof("source"):
        case "image_id":
            return KeptSource(message.image_id)
        case "content":
            return ContentSource(message.content)
        case "url":
            return UrlSource(message.url)
    raise InvalidRequest("An image needs exactly one of image_id, content and url.", field="images")


def from_outcome(outcome: Outcome) -> pb.EncodeImagesResponse:
    """Write what became of an image."""
    image_id = "" if outcome.image_id is None else str(outcome.image_id)
    result = outcome.result
    if not isinstance(result, Encoded):
        return pb.EncodeImagesResponse(index=outcome.index, image_id=image_id, error=from_error(result))
    return pb.EncodeImagesResponse(
        index=outcome.index,
        image_id=image_id,
        width=result.size.width,
        height=result.size.height,
        cache_tier=from_cache_tier(result.tier),
    )
