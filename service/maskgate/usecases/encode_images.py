"""Encode many images ahead of their first prompts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
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
_FETCHES, _FETCHES_OF_A_CALL = 16, 2
"""Files that are fetched at once, or wait in memory to be stored: a call's slow servers must not use up all places."""


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

    Attributes:
        fetches: Places for files from elsewhere, which may take long to come: they use up nobody's place at work.
    """

    def __init__(self, *, concurrency: int) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self.fetches = asyncio.Semaphore(_FETCHES)

    async def patiently(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do something in a place, and again after the time that is told while it is refused for others who wait.

        The place is somebody else's meanwhile.
        """
        while True:
            try:
                async with self._places:
                    return await work()
            except QuotaExceeded:  # a tenant's own: to wait for that here would take the places of others
                raise
            except Overloaded as refused:
                await asyncio.sleep(refused.retry_after or _PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a call is about, and its share of the fetches."""

    spec: ModelSpec
    call: Call
    fetches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_FETCHES_OF_A_CALL))


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
        asked = _Asked(spec, call)
        tasks = [asyncio.create_task(self._outcome(index, source, asked)) for index, source in enumerate(sources)]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _outcome(self, index: int, source: ImageSource, asked: _Asked) -> Outcome:
        image_id = None
        try:
            image_id = await self._known(source, asked)
            return Outcome(index, image_id, await self._lane.patiently(partial(self._encoded, image_id, asked)))
        except MaskgateError as error:
            return Outcome(index, image_id, error)

    async def _known(self, source: ImageSource, asked: _Asked) -> ImageId:
        """Return an image that is kept by now."""
        if isinstance(source, KeptSource):
            return ImageId.parse(source.image_id)
        if isinstance(source, ContentSource):
            return await self._stored(source.content, asked.call)
        url = ImageUrl.parse(source.url)
        async with asked.fetches, self._lane.fetches:
            return await self._stored(await self._fetcher.fetch(url), asked.call)

    async def _stored(self, content: bytes, call: Call) -> ImageId:
        return (await self._lane.patiently(lambda: self._upload(content, call=call))).image_id

    async def _encoded(self, image_id: ImageId, asked: _Asked) -> Encoded:
        async with self._embed(image_id, asked.spec, call=asked.call) as embedded:
            return Encoded(embedded.embedding.original, embedded.effort.tier)


def _check_number(asked_for: int) -> None:
    if not 0 < asked_for <= _MOST_IMAGES:
        raise InvalidRequest(
            f"{asked_for} images are asked for; it must be 1 to {_MOST_IMAGES}.", field="images", limit=_MOST_IMAGES
        )
