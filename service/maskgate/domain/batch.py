"""Many prompts in one call: what is asked, what comes back, and which of them go to the decoder together."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from maskgate.domain.errors import InvalidRequest, MaskgateError
from maskgate.domain.output import MaskOutput
from maskgate.domain.prompt import Multimask, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from maskgate.domain.image import ImageId, ImageSize
    from maskgate.domain.output import RenderedMask
    from maskgate.domain.prompt import MaskSelection, PromptSlots
    from maskgate.domain.timing import Timing

_MOST_PARTS = 4096  # more than a call has the time for
_MOST_POINTS = 65536  # reading them takes a tenth of a second
_P = ParamSpec("_P")
_Part = TypeVar("_Part")


def refuse_absurd_batch(*, images: int, prompts: int, points: int) -> None:
    """Refuse a number of images, prompts or points in all before time is spent on reading them.

    Raises:
        InvalidRequest: No server takes as many.
    """
    _refuse("images", images, _MOST_PARTS)
    _refuse("prompts", prompts, _MOST_PARTS)
    _refuse("points", points, _MOST_POINTS)


def part_of(read: Callable[_P, _Part], *args: _P.args, **kwargs: _P.kwargs) -> _Part | InvalidRequest:
    """Read a part of a batch: one that makes no sense does not fail the others."""
    try:
        return read(*args, **kwargs)
    except InvalidRequest as error:
        return error


def _refuse(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise InvalidRequest(
            f"{count} {what} are too many for one call: at most {limit}.", field="images", count=count, limit=limit
        )


@dataclass(frozen=True, slots=True)
class ImagePrompts:
    """An image and what to find in it.

    Attributes:
        image_id: The image, or why the text is none.
        text: What the client calls it.
        prompts: Each answered for itself; an error where one could not be read.
    """

    image_id: ImageId | InvalidRequest
    text: str
    prompts: tuple[Prompt | InvalidRequest, ...]


@dataclass(frozen=True, slots=True)
class BatchQuery:
    """Asks for the masks of many prompts.

    Attributes:
        images: Images and their prompts.
        multimask, model, output: As those of a SegmentQuery, for all of them.
    """

    images: tuple[ImagePrompts, ...]
    multimask: Multimask = Multimask.AUTO
    model: str = ""
    output: MaskOutput = field(default_factory=MaskOutput)

    def check_size(self, limit: int) -> None:
        """Refuse a batch of nothing, or of too much.

        Raises:
            InvalidRequest: There is no image, or there are more images or prompts than `limit`.
        """
        if not self.images:
            raise InvalidRequest("A batch needs at least one image.", field="images")
        _refuse("images", len(self.images), limit)
        _refuse("prompts", sum(len(image.prompts) for image in self.images), limit)


Answer = tuple["RenderedMask", ...] | MaskgateError
"""The masks of a prompt, highest predicted IoU first, or why there are none."""


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """What was found in one image.

    Attributes:
        text: What the client calls it.
        size: Size of the oriented image; None where none of its prompts was decoded.
        prompts: One for each of the prompts; none where the image failed.
        error: Why the image failed.
        timing: Where the time went; None where no prompt was decoded.
    """

    text: str
    size: ImageSize | None = None
    prompts: tuple[Answer, ...] = ()
    error: MaskgateError | None = None
    timing: Timing | None = None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """Answers in the order of the query.

    Attributes:
        model: The name of the model that was used.
        images: One for each image.
        timing: Where the time of the whole call went; None where no prompt was decoded.
    """

    model: str
    images: tuple[ImageAnswer, ...]
    timing: Timing | None


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt that is to be decoded.

    Attributes:
        index: Which of its image's prompts it is.
        slots: Its tensors.
        selection: Which masks are wanted.
    """

    index: int
    slots: PromptSlots
    selection: MaskSelection

    @property
    def kind(self) -> tuple[int, str]:
        """What rows that go to the decoder together have in common: the number of slots, and the outputs."""
        return len(self.slots.labels), self.selection.name


def chunks(rows: Iterable[Row], most: int) -> Iterator[Sequence[Row]]:
    """Part the prompts of an image into those that go to the decoder together, at most so many; short ones first."""
    for _, alike in groupby(sorted(rows, key=lambda row: row.kind), key=lambda row: row.kind):
        together = list(alike)
        for start in range(0, len(together), most):
            yield together[start : start + most]


def common_error(images: Sequence[ImageAnswer]) -> MaskgateError | None:
    """Return why all images failed, if it is one reason."""
    errors = [image.error for image in images]
    first = errors[0]
    return first if first and all(error and error.reason == first.reason for error in errors) else None
