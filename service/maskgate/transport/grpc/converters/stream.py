"""Messages of streams, out of and into protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.image import ImageId
from maskgate.domain.stream import StreamPrompt, StreamTarget
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc.converters.errors import from_error
from maskgate.transport.grpc.converters.masks import from_mask
from maskgate.transport.grpc.converters.prompts import to_coordinates, to_multimask, to_output, to_prompt
from maskgate.transport.grpc.converters.timing import from_timing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.usecases.segment_stream import StreamAnswer


async def to_messages(requests: AsyncIterator[pb.SegmentStreamRequest]) -> AsyncIterator[StreamTarget | StreamPrompt]:
    """Read what a client says. Raises InvalidRequest."""
    async for request in requests:
        yield _to_message(request)


def _to_message(request: pb.SegmentStreamRequest) -> StreamTarget | StreamPrompt:
    match request.WhichOneof("kind"):
        case "target":
            return _to_target(request.target)
        case "prompt":
            return _to_stream_prompt(request.prompt)
    raise InvalidRequest("A message of a stream needs exactly one of target and prompt.")


def _to_target(target: pb.StreamTarget) -> StreamTarget:
    return StreamTarget(
        ImageId.parse(target.image_id),
        target.model,
        to_multimask(target.multimask),
        to_coordinates(target.coordinates),
        to_output(target.output),
    )


def _to_stream_prompt(message: pb.StreamPrompt) -> StreamPrompt:
    return StreamPrompt(message.sequence, lambda coordinates: to_prompt(message.prompt, coordinates))


def from_answer(answer: StreamAnswer) -> pb.SegmentStreamResponse:
    """Write an answer."""
    return pb.SegmentStreamResponse(
        sequence=answer.sequence,
        masks=map(from_mask, answer.masks),
        error=None if answer.error is None else from_error(answer.error),
        superseded=answer.superseded,
        timing=None if answer.timing is None else from_timing(answer.timing),
    )
