"""Batches out of messages, and what was found into messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.batch import BatchQuery, ImagePrompts, part_of, refuse_absurd_batch
from maskgate.domain.errors import MaskgateError
from maskgate.domain.image import ImageId
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc.converters.errors import from_error
from maskgate.transport.grpc.converters.masks import from_mask
from maskgate.transport.grpc.converters.prompts import to_coordinates, to_multimask, to_output, to_prompt
from maskgate.transport.grpc.converters.timing import from_timing

if TYPE_CHECKING:
    from maskgate.domain.batch import Answer, BatchAnswer, ImageAnswer
    from maskgate.domain.prompt import CoordinateSpace


def to_batch(request: pb.SegmentBatchRequest) -> BatchQuery:
    """Read a request; what is wrong with a part of it is that part's. Raises InvalidRequest."""
    prompts = sum(len(image.prompts) for image in request.images)
    points = sum(len(prompt.points) for image in request.images for prompt in image.prompts)
    refuse_absurd_batch(images=len(request.images), prompts=prompts, points=points)
    coordinates = to_coordinates(request.coordinates)
    return BatchQuery(
        tuple(_to_image(image, coordinates) for image in request.images),
        to_multimask(request.multimask),
        request.model,
        to_output(request.output),
    )


def _to_image(image: pb.ImagePrompts, coordinates: CoordinateSpace) -> ImagePrompts:
    return ImagePrompts(
        part_of(ImageId.parse, image.image_id),
        image.image_id,
        tuple(part_of(to_prompt, prompt, coordinates) for prompt in image.prompts),
    )


def from_batch(answer: BatchAnswer) -> pb.SegmentBatchResponse:
    """Write what was found."""
    return pb.SegmentBatchResponse(
        model=answer.model,
        images=map(_from_image, answer.images),
        timing=None if answer.timing is None else from_timing(answer.timing),
    )


def _from_image(image: ImageAnswer) -> pb.ImageResult:
    return pb.ImageResult(
        image_id=image.text,
        width=0 if image.size is None else image.size.width,
        height=0 if image.size is None else image.size.height,
        prompts=map(_from_prompt, image.prompts),
        error=None if image.error is None else from_error(image.error),
        timing=None if image.timing is None else from_timing(image.timing),
    )


def _from_prompt(answer: Answer) -> pb.PromptResult:
    if isinstance(answer, MaskgateError):
        return pb.PromptResult(error=from_error(answer))
    return pb.PromptResult(masks=map(from_mask, answer))
