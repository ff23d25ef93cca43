"""The JSON of the REST skin; field by field the messages of protos/maskgate/v1/segmentation.proto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maskgate.domain import prompt as domain
from maskgate.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from maskgate.domain.image import ImageInfo
    from maskgate.domain.mask import Mask as DomainMask
    from maskgate.domain.timing import Timing as DomainTiming
    from maskgate.usecases.segment import Segmentation


class _Request(BaseModel):
    """Unknown fields are refused: a misspelt option must not pass in silence."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Point(_Request):
    """A click."""

    x: float = Field(description="Distance from the left edge in pixels, 0 <= x < width.")
    y: float = Field(description="Distance from the top edge in pixels, 0 <= y < height.")
    label: int = Field(1, description="1: the point lies on the object; 0: it does not.")


class Box(_Request):
    """A rectangle in pixels of the oriented image, right and bottom edges exclusive."""

    x1: float = Field(description="Left edge.")
    y1: float = Field(description="Top edge.")
    x2: float = Field(description="Right edge.")
    y2: float = Field(description="Bottom edge.")

    @classmethod
    def of(cls, box: domain.Box) -> Box:
        """Write a box."""
        return cls(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2)

    def to_domain(self) -> domain.Box:
        """Read a box."""
        return domain.Box(self.x1, self.y1, self.x2, self.y2)


class SegmentRequest(_Request):
    """A prompt: at least one point or a box."""

    points: list[Point] = Field(default_factory=list, description="Clicks, in the order of the user.")
    box: Box | None = Field(None, description="A box around the object.")
    multimask: Literal["auto", "single", "all"] = Field(
        "auto",
        description="'auto': one mask, the best of three where the prompt is ambiguous; "
        "'single': the model's single-mask output; 'all': every mask of the ambiguous output.",
    )
    model: str = Field("", description="Name of the model; empty means the server's default.")

    @classmethod
    def read(cls, body: bytes) -> SegmentRequest:
        """Read a JSON body. Raises InvalidRequest."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "body"
            raise InvalidRequest(f"{where}: {first['msg']}.", field=where) from error

    def to_prompt(self) -> domain.Prompt:
        """Read the prompt. Raises InvalidPrompt."""
        domain.refuse_absurd(len(self.points))
        points = tuple(domain.Point(point.x, point.y, point.label) for point in self.points)
        return domain.Prompt(points, None if self.box is None else self.box.to_domain())


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


class Rle(BaseModel):
    """A mask in COCO's compressed run-length encoding, as pycocotools takes it."""

    size: tuple[int, int] = Field(description="[height, width]")
    counts: str = Field(description="The compressed counts; runs go down the columns first.")


class Mask(BaseModel):
    """One mask at the size of the oriented image."""

    rle: Rle
    predicted_iou: float = Field(description="The model's estimate of its own IoU, about 0 to 1.")
    area: int = Field(description="Number of pixels.")
    box: Box | None = Field(description="The smallest rectangle around the mask; null where it is empty.")

    @classmethod
    def of(cls, mask: DomainMask) -> Mask:
        """Write a mask."""
        rle = mask.rle
        return cls(
            rle=Rle(size=(rle.height, rle.width), counts=rle.counts),
            predicted_iou=mask.predicted_iou,
            area=mask.area,
            box=None if mask.box is None else Box.of(mask.box),
        )


class Timing(BaseModel):
    """Where the time of a call went, in milliseconds on the server's clock."""

    cache_tier: Literal["miss", "l1", "l2"] = Field(description="Where the embedding came from.")
    queue_ms: float = Field(description="Waiting for a free place before encoder and decoder.")
    encode_ms: float = Field(description="The call to the image encoder; 0 where the embedding was cached.")
    decode_ms: float = Field(description="The mask decoder.")
    total_ms: float = Field(description="The call inside the gateway, from the parsed prompt to the masks.")

    @classmethod
    def of(cls, timing: DomainTiming) -> Timing:
        """Write a timing."""
        return cls(
            cache_tier=timing.cache_tier.value,
            queue_ms=timing.queue * 1e3,
            encode_ms=timing.encode * 1e3,
            decode_ms=timing.decode * 1e3,
            total_ms=timing.total * 1e3,
        )


class SegmentResponse(BaseModel):
    """The masks of one prompt."""

    image_id: str
    model: str = Field(description="Name of the model that was used.")
    masks: list[Mask] = Field(description="Highest predicted IoU first; never empty.")
    timing: Timing

    @classmethod
    def of(cls, segmentation: Segmentation) -> SegmentResponse:
        """Write the answer to a prompt."""
        return cls(
            image_id=str(segmentation.image_id),
            model=segmentation.model,
            masks=[Mask.of(mask) for mask in segmentation.masks],
            timing=Timing.of(segmentation.timing),
        )


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: int = Field(description="The HTTP status.")
    status: str = Field(description="The canonical code, such as 'INVALID_ARGUMENT'.")
    reason: str = Field(description="Machine-readable; docs/errors.md lists them.")
    message: str = Field(description="A sentence for people.")
    metadata: dict[str, str] = Field(description="The variable parts of the message.")


class ErrorResponse(BaseModel):
    """Every error looks like this."""

    error: ErrorDetail


class ReadyResponse(BaseModel):
    """Whether calls can be answered, and on what that depends."""

    ready: bool
    components: dict[str, Literal["up", "down"]]
