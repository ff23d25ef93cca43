"""The methods of SegmentationService: convert, call, convert."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from maskgate.domain.image import ImageId
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceServicer
from maskgate.transport.grpc.converters.batches import from_batch, to_batch
from maskgate.transport.grpc.converters.images import from_image
from maskgate.transport.grpc.converters.masks import from_segmentation
from maskgate.transport.grpc.converters.prompts import to_query
from maskgate.transport.grpc.converters.stream import from_answer, to_messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.domain.call import Call
    from maskgate.transport.streams import Streams
    from maskgate.transport.usecases import UseCases


class SegmentationServicer(SegmentationServiceServicer):
    """Raises domain errors; the interceptor turns them into statuses."""

    def __init__(self, usecases: UseCases, streams: Streams) -> None:
        self._usecases = usecases
        self._streams = streams

    async def UploadImage(  # noqa: N802 - the name of the method in the contract
        self, request: pb.UploadImageRequest, call: Call
    ) -> pb.UploadImageResponse:
        """Keep an image."""
        info = await self._usecases.upload_image(request.content, call=call)
        return pb.UploadImageResponse(image=from_image(info))

    async def GetImage(  # noqa: N802
        self, request: pb.GetImageRequest, call: Call
    ) -> pb.GetImageResponse:
        """Tell what is known of an image."""
        info = await self._usecases.get_image(ImageId.parse(request.image_id), call=call)
        return pb.GetImageResponse(image=from_image(info))

    async def Segment(  # noqa: N802
        self, request: pb.SegmentRequest, call: Call
    ) -> pb.SegmentResponse:
        """Find the masks that a prompt means."""
        return from_segmentation(await self._usecases.segment(to_query(request), call=call))

    async def SegmentBatch(  # noqa: N802
        self, request: pb.SegmentBatchRequest, call: Call
    ) -> pb.SegmentBatchResponse:
        """Find the masks of many prompts."""
        return from_batch(await self._usecases.segment_batch(to_batch(request), call=call))

    async def SegmentStream(  # noqa: N802
        self, requests: AsyncIterator[pb.SegmentStreamRequest], call: Call
    ) -> AsyncIterator[pb.SegmentStreamResponse]:
        """Answer prompts at the rate of a mouse."""
        async with aclosing(self._streams.answers(to_messages(requests), call=call)) as answers:
            async for answer in answers:
                yield from_answer(answer)
