"""Images as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from maskgate.domain.image import ImageInfo


def from_image(info: ImageInfo) -> pb.Image:
    """Write an image."""
    return pb.Image(
        image_id=str(info.image_id),
        width=info.size.width,
        height=info.size.height,
        format=info.format,
        size_bytes=info.size_bytes,
    )
