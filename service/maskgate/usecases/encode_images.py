"""Encode many images ahead of their first prompts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from maskgate.domain.errors import InvalidRequest, MaskgateError, Overloaded, QuotaExceeded
from maskgate.domain.image import ImageId
from maskgate.domain.source import ContentSource, KeptSource
from maskgate.domain.url import ImageUrl

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from maskgate.domain.call import Call
    from maskgate.domain.image import ImageSize
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.source import ImageSource
    from maskgate.domain.timing import CacheTier
    from maskgate.ports import ImageFetcher, InferenceBackend
    from maskgate.usecases.embed_image import EmbedImage
    from maskgate.usecases.upload_image import UploadImage

_T = TypeVar("_T")

_MOST_IMAGES = 256
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Encoded:
    """An image whose embedding is there: its size, and where the embedding came from."""

    size: ImageSize
    tier: CacheTier


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one image.

    Attributes:
        index: Its place among those that were asked for.
        image_id: The image; None where it failed before that was known.
        result: Or why it failed.
    """

    index: int
    image_id: ImageId | None
    result: Encoded | MaskgateError


class BulkLane:
    """So many images of all calls at work; the others wait, however long the queue. Calls that are too many come later.

    Args:
        concurrency: How many images.
    """

    def __init__(self, *, concurrency: int) -> None:
        self.places = asyncio.Semaphore(concurrency)

    async def patiently(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do something, and again after the time that is told while it is refused for others who wait."""
        while True:
            try:
                return await work()
            except QuotaExceeded:  # a tenant's own: to wait for that here would take the places of others
                raise
            except Overloaded as refused:
                await asyncio.sleep(refused.retry_after or _PAUSE_SECONDS)


class EncodeImages:
    """Fetch or upload what has to be, then embed: each image for itself, a few at once."""

    def __init__(
        self,
        *,
        embed: EmbedImage,
        upload: UploadImage,
        fetcher: ImageFetcher,
        backend: InferenceBackend,
        lane: BulkLane,
        default_model: str,
    ) -> None:
        self._embed = embed
        self._upload = upload
        self._fetcher = fetcher
        self._backend = backend
        self._lane = lane
        self._default_model = default_model

    async def __call__(
        self, sources: Sequence[ImageSource], model: str = "", *, call: Call
    ) -> AsyncGenerator[Outcome, None]:
        """Yield what becomes of each image, as it is done.

        Raises:
            InvalidRequest: There are too many, or none.
            ModelNotFound, BackendUnavailable: As the port says.
        """
        _check_number(len(sources))
        spec = await self._backend.spec(model or self._default_model)
        tasks = [asyncio.create_task(self._outcome(index, source, spec, call)) for index, source in enumerate(sources)]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _outcome(self, index: int, source: ImageSource, spec: ModelSpec, call: Call) -> Outcome:
        image_id = None
        async with self._lane.places:
            try:
                image_id = await self._known(source, call)
                return Outcome(index, image_id, await self._lane.patiently(lambda: self._encoded(image_id, spec, call)))
            except MaskgateError as error:
                return Outcome(index, image_id, error)

    async def _known(self, source: ImageSource, call: Call) -> ImageId:
        """Return an image that is kept by now."""
        if isinstance(source, KeptSource):
            return ImageId.parse(source.image_id)
        content = source.content if isinstance(source, ContentSource) else await self._fetched(source.url)
        return (await self._lane.patiently(lambda: self._upload(content, call=call))).image_id

    async def _fetched(self, url: str) -> bytes:
        return await self._fetcher.fetch(ImageUrl.parse(url))

    async def _encoded(self, image_id: ImageId, spec: ModelSpec, call: Call) -> Encoded:
        async with self._embed(image_id, spec, call=call) as embedded:
            return Encoded(embedded.embedding.original, embedded.effort.tier)


def _check_number(asked_for: int) -> None:
    if not 0 < asked_for <= _MOST_IMAGES:
        raise InvalidRequest(
            f"{asked_for} images are asked for; it must be 1 to {_MOST_IMAGES}.", field="images", limit=_MOST_IMAGES
        )
