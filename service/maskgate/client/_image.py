"""An image that the gateway keeps, and what can be asked of it."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from maskgate.client._answers import to_cache_tier, to_image, to_masks, to_timing
from maskgate.client._asking import Asked, Wanted, Wishes, batch_request, prompt_of, segment_request
from maskgate.client._errors import error_of_part
from maskgate.client._everything import Search, Searching, Thing
from maskgate.client._result import Answer
from maskgate.client._stream import AsyncStream
from maskgate.domain.errors import DeadlineExceeded, ImageNotFound, MaskHandleNotFound
from maskgate.domain.image import ImageSize
from maskgate.domain.mask_prompt import HandleSource
from maskgate.domain.prompt import CoordinateSpace, Prompt
from maskgate.transport.grpc._pb import images_pb2
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from typing import Unpack

    import numpy.typing as npt

    from maskgate.client._gateway import Gateway
    from maskgate.domain.errors import MaskgateError
    from maskgate.domain.image import ImageId, ImageInfo
    from maskgate.domain.timing import CacheTier

_T = TypeVar("_T")


class AsyncImage:
    """An image that the gateway keeps; `AsyncClient.image` makes it.

    It holds the bytes of its file, to upload them again where the gateway has forgotten the image.
    """

    def __init__(self, gateway: Gateway, info: ImageInfo, content: bytes | None) -> None:
        self._gateway = gateway
        self._info = info
        self._content = content

    @property
    def id(self) -> ImageId:
        """SHA-256 of the file."""
        return self._info.image_id

    @property
    def info(self) -> ImageInfo:
        """Size of the oriented image, format and size of the file."""
        return self._info

    @property
    def size(self) -> ImageSize:
        """Width and height of the oriented image."""
        return self._info.size

    async def segment(self, **asked: Unpack[Asked]) -> AsyncResult:
        """Find the masks that a prompt means: `segment(points=[(x, y)])`, `segment(box=(x1, y1, x2, y2))`.

        Raises:
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
            ValueError: What is asked makes no sense.
        """
        return await self._segment(prompt_of(asked), Wanted.of(asked))

    async def refine(self, answer: Answer, **asked: Unpack[Asked]) -> AsyncResult:
        """Correct the best mask of an answer by further points, and a box if one is given.

        All points so far go along: a model knows of no earlier call. Where the gateway has forgotten the mask, they do
        alone.

        Raises:
            MaskgateError: As `segment` does.
            ValueError: As `segment` does.
        """
        same_model: Asked = {"model": answer.model, **asked}
        wanted = Wanted.of(same_model)
        prompt = further(answer.prompt, asked)
        handle = answer.best.handle
        if handle is None:
            return await self._segment(prompt, wanted)
        try:
            return await self._segment(replace(prompt, mask=HandleSource(handle)), wanted)
        except MaskHandleNotFound:
            return await self._segment(prompt, wanted)

    async def segment_many(
        self, prompts: Iterable[Prompt], **wishes: Unpack[Wishes]
    ) -> list[AsyncResult | MaskgateError]:
        """Find the masks of many prompts in one call.

        All need the same coordinates. One that fails is an error in its place.

        Raises:
            MaskgateError: The gateway refuses all, does not answer in time, or cannot be reached.
            ValueError: What is asked makes no sense.
        """
        wanted, asked = Wanted.of(wishes), list(prompts)
        if len({prompt.coordinates for prompt in asked}) != 1:
            raise ValueError("there must be prompts, and all in the same coordinates")
        request = batch_request(str(self.id), asked, wanted)
        response: pb.SegmentBatchResponse = await self._kept(
            lambda: self._gateway.ask(self._gateway.segmentation.SegmentBatch, request)
        )
        (found,) = response.images
        return [
            error_of_part(part.error) if part.HasField("error") else self._part(part, prompt, response, wanted)
            for part, prompt in zip(found.prompts, asked, strict=True)
        ]

    async def everything(self, **asked: Unpack[Searching]) -> AsyncIterator[Thing]:
        """Find everything in the image, as the reference's automatic mask generator does; each once it is settled.

        A search that is cut off goes on where it was.

        Raises:
            MaskgateError: The gateway refuses, or cannot be reached.
        """
        await self.encode(asked.get("model", ""))
        async with aclosing(Search(self._gateway, str(self.id), asked).things()) as things:
            async for thing in things:
                yield thing

    def stream(self, coordinates: CoordinateSpace | str = "pixels", **wishes: Unpack[Wishes]) -> AsyncStream:
        """Answer prompts at the rate of a mouse: send them whenever it moves, and iterate over the answers."""
        return AsyncStream(self._gateway, str(self.id), Wanted.of(wishes), CoordinateSpace(coordinates))

    async def encode(self, model: str = "") -> CacheTier:
        """Encode the image ahead of its first prompt; tell where its embedding was.

        Raises:
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
        """
        source = images_pb2.ImageSource(image_id=str(self.id))
        request = images_pb2.EncodeImagesRequest(images=[source], model=model)
        return await self._kept(lambda: self._encode(request))

    async def embedding(self, model: str = "") -> npt.NDArray[np.float16]:
        """Return the embedding of the image, float16 [C, E, E], for decoding elsewhere.

        Raises:
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
        """
        request = images_pb2.GetEmbeddingRequest(image_id=str(self.id), model=model)
        response: images_pb2.GetEmbeddingResponse = await self._kept(
            lambda: self._gateway.ask(self._gateway.images.GetEmbedding, request)
        )
        return np.frombuffer(response.embedding, "<f2").reshape(tuple(response.model.embedding_shape))

    async def delete(self) -> None:
        """Have the gateway forget the image and its embeddings.

        Raises:
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
        """
        request = images_pb2.DeleteImageRequest(image_id=str(self.id))
        await self._gateway.ask(self._gateway.images.DeleteImage, request)

    async def _segment(self, prompt: Prompt, wanted: Wanted) -> AsyncResult:
        request = segment_request(str(self.id), prompt, wanted)
        response: pb.SegmentResponse = await self._kept(
            lambda: self._gateway.ask(self._gateway.segmentation.Segment, request)
        )
        return AsyncResult(
            to_masks(response.masks, wanted.output),
            prompt,
            response.model,
            ImageSize(response.width, response.height),
            to_timing(response.timing),
            self,
        )

    def _part(
        self, part: pb.PromptResult, prompt: Prompt, response: pb.SegmentBatchResponse, wanted: Wanted
    ) -> AsyncResult:
        masks, timing = to_masks(part.masks, wanted.output), to_timing(response.images[0].timing)
        return AsyncResult(masks, prompt, response.model, self.size, timing, self)

    async def _encode(self, request: images_pb2.EncodeImagesRequest) -> CacheTier:
        gateway = self._gateway
        async for response in gateway.listen(gateway.images.EncodeImages, request, seconds=gateway.seconds):
            if response.HasField("error"):
                raise error_of_part(response.error)
            return to_cache_tier(response.cache_tier)
        raise DeadlineExceeded("The gateway ended the call without an answer.")

    async def _kept(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """Ask; where the image has been forgotten, upload it and ask again, once."""
        try:
            return await ask()
        except ImageNotFound:
            if self._content is None:
                raise
            await upload(self._gateway, self._content)
            return await ask()


@dataclass(frozen=True, slots=True)
class AsyncResult(Answer):
    """What a prompt is answered with."""

    image: AsyncImage = field(repr=False, compare=False)

    async def refine(self, **asked: Unpack[Asked]) -> AsyncResult:
        """Correct the best mask, as AsyncImage.refine does."""
        return await self.image.refine(self, **asked)


def further(prompt: Prompt, asked: Asked) -> Prompt:
    """Add to a prompt what corrects it. A mask that it started from stays, unless it was known by its handle alone."""
    if "prompt" in asked:
        return asked["prompt"]
    mask = None if isinstance(prompt.mask, HandleSource) else prompt.mask
    same_space: Asked = {"coordinates": prompt.coordinates, **asked}
    added = prompt_of(same_space)
    return Prompt(prompt.points + added.points, added.box or prompt.box, added.mask or mask, prompt.coordinates)


async def upload(gateway: Gateway, content: bytes) -> ImageInfo:
    """Have an image kept."""
    request = pb.UploadImageRequest(content=content)
    response: pb.UploadImageResponse = await gateway.ask(gateway.segmentation.UploadImage, request)
    return to_image(response.image)
