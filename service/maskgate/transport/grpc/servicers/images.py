"""The methods of ImageService: convert, call, convert."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from maskgate.domain.image import ImageId
from maskgate.transport.grpc._pb import images_pb2 as pb
from maskgate.transport.grpc._pb.images_pb2_grpc import ImageServiceServicer
from maskgate.transport.grpc.converters.encodes import from_outcome, to_source
from maskgate.transport.grpc.converters.images import from_image
from maskgate.transport.grpc.converters.models import from_model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.domain.call import Call
    from maskgate.transport.usecases import UseCases


class ImageServicer(ImageServiceServicer):
    """Raises domain errors; the interceptor turns them into statuses."""

    def __init__(self, usecases: UseCases) -> None:
        self._usecases = usecases

    async def CheckImages(  # noqa: N802 - the name of the method in the contract
        self, request: pb.CheckImagesRequest, call: Call
    ) -> pb.CheckImagesResponse:
        """Tell which images need not be uploaded."""
        checked = await self._usecases.check_images(request.image_ids, call=call)
        return pb.CheckImagesResponse(images=map(from_image, checked.images), missing=map(str, checked.missing))

    async def EncodeImages(  # noqa: N802
        self, request: pb.EncodeImagesRequest, call: Call
    ) -> AsyncIterator[pb.EncodeImagesResponse]:
        """Encode images ahead of their first prompts."""
        sources = [to_source(image) for image in request.images]
        async with aclosing(self._usecases.encode_images(sources, request.model, call=call)) as outcomes:
            async for outcome in outcomes:
                yield from_outcome(outcome)

    async def GetEmbedding(  # noqa: N802
        self, request: pb.GetEmbeddingRequest, call: Call
    ) -> pb.GetEmbeddingResponse:
        """Give an embedding away."""
        given = await self._usecases.get_embedding(ImageId.parse(request.image_id), request.model, call=call)
        return pb.GetEmbeddingResponse(
            embedding=given.tensor,
            image_id=str(given.key.image_id),
            width=given.original.width,
            height=given.original.height,
            model=from_model(given.model),
        )

    async def DeleteImage(  # noqa: N802
        self, request: pb.DeleteImageRequest, call: Call
    ) -> pb.DeleteImageResponse:
        """Forget an image."""
        await self._usecases.delete_image(ImageId.parse(request.image_id), call=call)
        return pb.DeleteImageResponse()
