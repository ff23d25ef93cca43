"""Everything in an image: what a search finds, one by one; a search that is cut off goes on where it was."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypedDict

from maskgate.client._answers import to_box, to_mask
from maskgate.client._asking import Wanted, from_output
from maskgate.domain.call import Deadline
from maskgate.domain.errors import Overloaded, Unavailable
from maskgate.transport.grpc._pb import generation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from maskgate.client._gateway import Gateway
    from maskgate.domain.output import MaskFormat, RenderedMask
    from maskgate.domain.prompt import Box


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is.

    Attributes:
        prompts_done: Points that were decoded.
        prompts_total: Points in all.
        candidates: Masks that passed the filters so far, duplicates included.
    """

    prompts_done: int
    prompts_total: int
    candidates: int


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that was found.

    Attributes:
        id: Its name within the search, and the same whenever the same is asked.
        mask: Its mask.
        point: (x, y) of the point that found it, in pixels of the image.
        crop: The part of the image that it was found in.
    """

    id: str
    mask: RenderedMask
    point: tuple[float, float]
    crop: Box


class Searching(TypedDict, total=False):
    """How to search, by the names and defaults of the reference's SamAutomaticMaskGenerator (docs/everything.md).

    Attributes:
        point_grids: For the image and each layer of crops the points of a grid, as fractions (x, y).
        model: The name of a model. Unset: the server's default.
        formats: Forms of the masks beside their pixels.
        on_progress: Is told after each batch of points, in the thread of the event loop; the blocking client cannot be
            asked there.
    """

    points_per_side: int
    point_grids: Iterable[Iterable[Sequence[float]]]
    pred_iou_thresh: float
    stability_score_thresh: float
    stability_score_offset: float
    box_nms_thresh: float
    crop_n_layers: int
    crop_nms_thresh: float
    crop_overlap_ratio: float
    crop_n_points_downscale_factor: int
    min_mask_region_area: int
    points_per_batch: int
    model: str
    formats: Iterable[MaskFormat | str]
    on_progress: Callable[[Progress], None]


_NUMBERS = tuple(
    field.name
    for field in pb.GenerateMasksRequest.DESCRIPTOR.fields
    if field.name in Searching.__annotations__ and field.name not in ("point_grids", "model")
)


class Search:
    """One search. Where the connection is lost it goes on after the last event that came."""

    def __init__(self, gateway: Gateway, image_id: str, asked: Searching) -> None:
        self._gateway = gateway
        self._output = Wanted.of({"formats": asked.get("formats", ()), "handles": False}).output
        self._on_progress = asked.get("on_progress")
        self._request = pb.GenerateMasksRequest(
            image_id=image_id,
            model=asked.get("model", ""),
            point_grids=[pb.PointGrid(xy=chain.from_iterable(grid)) for grid in asked.get("point_grids", ())],
            output=from_output(self._output),
            **{name: asked[name] for name in _NUMBERS if name in asked},  # type: ignore[literal-required]
        )

    async def things(self) -> AsyncGenerator[Thing, None]:
        """Yield what is found, each once it is settled. Raises MaskgateError."""
        attempt = 1
        while True:
            try:
                async with aclosing(self._responses()) as responses:
                    async for response in responses:
                        attempt = 1
                        if response.WhichOneof("event") == "mask":
                            yield self._to_thing(response.mask)
            except (Overloaded, Unavailable) as error:
                await self._gateway.retries.pause(
                    error, attempt=attempt, deadline=Deadline.after(self._gateway.seconds)
                )
                attempt += 1
            else:
                return

    async def _responses(self) -> AsyncGenerator[pb.GenerateMasksResponse, None]:
        method = self._gateway.generation.GenerateMasks
        async with aclosing(self._gateway.listen(method, self._request)) as responses:
            async for response in responses:
                self._request.cursor = response.cursor
                self._tell(response)
                yield response

    def _tell(self, response: pb.GenerateMasksResponse) -> None:
        if self._on_progress is not None and response.WhichOneof("event") == "progress":
            now = response.progress
            self._on_progress(Progress(now.prompts_done, now.prompts_total, now.candidates))

    def _to_thing(self, found: pb.GeneratedMask) -> Thing:
        mask = to_mask(found.mask, self._output)
        return Thing(found.id, mask, (found.point.x, found.point.y), to_box(found.crop_box))
