"""Many prompts, and what is found."""

from __future__ import annotations

from pydantic import BaseModel, Field

from maskgate.domain import batch
from maskgate.domain.errors import MaskgateError
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import CoordinateSpace, Multimask
from maskgate.transport.rest.schemas.errors import ErrorDetail
from maskgate.transport.rest.schemas.masks import Mask
from maskgate.transport.rest.schemas.prompts import Prompt, Wishes
from maskgate.transport.rest.schemas.requests import Request
from maskgate.transport.rest.schemas.timing import Timing
from maskgate.transport.status import told


class ImagePrompts(Request):
    """An image and what to find in it."""

    image_id: str = Field(description="The image.")
    prompts: list[Prompt] = Field(
        default_factory=list, description="Prompts, each answered for itself: for many boxes, a prompt for each box."
    )

    def to_domain(self, coordinates: CoordinateSpace) -> batch.ImagePrompts:
        """Read an image's part; what is wrong with a part of it is that part's."""
        return batch.ImagePrompts(
            batch.part_of(ImageId.parse, self.image_id),
            self.image_id,
            tuple(batch.part_of(prompt.to_domain, coordinates) for prompt in self.prompts),
        )


class SegmentBatchRequest(Wishes):
    """Many prompts on one or many images."""

    images: list[ImagePrompts] = Field(
        description="Images and their prompts: at most 256 prompts in all, and as many images, unless the server was "
        "set up otherwise. An image may come more than once."
    )

    def to_query(self) -> batch.BatchQuery:
        """Read what is asked. Raises InvalidRequest."""
        prompts = [prompt for image in self.images for prompt in image.prompts]
        points = sum(len(prompt.points) for prompt in prompts)
        batch.refuse_absurd_batch(images=len(self.images), prompts=len(prompts), points=points)
        images = tuple(image.to_domain(CoordinateSpace(self.coordinates)) for image in self.images)
        return batch.BatchQuery(images, Multimask(self.multimask), self.model, self.output.to_domain())


class PromptResult(BaseModel):
    """The masks of one prompt."""

    masks: list[Mask] = Field(description="Highest predicted IoU first; none where the prompt failed.")
    error: ErrorDetail | None = Field(description="Why the prompt failed.")

    @classmethod
    def of(cls, answer: batch.Answer) -> PromptResult:
        """Write what was found, or why nothing was."""
        if isinstance(answer, MaskgateError):
            return cls(masks=[], error=ErrorDetail.of(told(answer)))
        return cls(masks=[Mask.of(mask) for mask in answer], error=None)


class ImageResult(BaseModel):
    """What was found in one image."""

    image_id: str = Field(description="The image, as in the request.")
    width: int = Field(description="Width of the oriented image, and of its masks; 0 where no prompt was decoded.")
    height: int = Field(description="Height of the oriented image, and of its masks; 0 where no prompt was decoded.")
    prompts: list[PromptResult] = Field(description="One for each prompt of the image; none where the image failed.")
    error: ErrorDetail | None = Field(description="Why the image failed.")
    timing: Timing | None = Field(description="Where the time went; null where no prompt was decoded.")

    @classmethod
    def of(cls, image: batch.ImageAnswer) -> ImageResult:
        """Write what was found in an image."""
        return cls(
            image_id=image.text,
            width=0 if image.size is None else image.size.width,
            height=0 if image.size is None else image.size.height,
            prompts=[PromptResult.of(answer) for answer in image.prompts],
            error=None if image.error is None else ErrorDetail.of(told(image.error)),
            timing=None if image.timing is None else Timing.of(image.timing),
        )


class SegmentBatchResponse(BaseModel):
    """Answers in the order of the request."""

    model: str = Field(description="Name of the model that was used.")
    images: list[ImageResult] = Field(description="One for each image of the request.")
    timing: Timing | None = Field(
        description="Where the time of the whole call went. Times of images are added up, also where they ran beside "
        "each other, but for the total; the tier is the farthest. Null where no prompt was decoded."
    )

    @classmethod
    def of(cls, answer: batch.BatchAnswer) -> SegmentBatchResponse:
        """Write what was found."""
        return cls(
            model=answer.model,
            images=[ImageResult.of(image) for image in answer.images],
            timing=None if answer.timing is None else Timing.of(answer.timing),
        )
