"""The client for programs that wait: each method is that of the asynchronous one, and there is no other code."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from maskgate.client._async import DEFAULT_ADDRESS, DEFAULT_ATTEMPTS, DEFAULT_TIMEOUT, AsyncClient
from maskgate.client._portal import Portal
from maskgate.client._result import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Unpack

    import numpy as np
    import numpy.typing as npt

    from maskgate.client._access import Tls
    from maskgate.client._asking import Asked, Pointing, Wishes
    from maskgate.client._everything import Searching, Thing
    from maskgate.client._image import AsyncImage
    from maskgate.client._models import Model
    from maskgate.client._sources import Source
    from maskgate.client._stream import AsyncStream, StreamAnswer
    from maskgate.domain.errors import MaskgateError
    from maskgate.domain.image import ImageId, ImageInfo, ImageSize
    from maskgate.domain.prompt import CoordinateSpace, Prompt
    from maskgate.domain.timing import CacheTier


class Client:
    """Talks to a gateway, from any thread. One that is not closed lives as long as somebody holds it or its images.

    Every method raises a MaskgateError where the gateway refuses, does not answer in time or cannot be reached; what
    gRPC says of it is its cause. The classes are in `maskgate.client.errors`; docs/errors.md lists the reasons.

    Args:
        address: `host:port` of the gateway's gRPC endpoint.
        api_key: The tenant's key, where the gateway asks for one.
        tls: Whether the gateway is to prove who it is, and how.
        timeout: Seconds for each call to the gateway, repeated attempts included.
        attempts: How often a call is tried in all where the gateway is busy or cannot be reached.
        insecure: Whether the key may go in the clear to another machine, where something else keeps it secret.

    Raises:
        KeyInTheClearError: It would, without TLS, and that was not said.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        api_key: str | None = None,
        tls: Tls | bool = False,
        timeout: float = DEFAULT_TIMEOUT,
        attempts: int = DEFAULT_ATTEMPTS,
        insecure: bool = False,
    ) -> None:
        self._client = AsyncClient(
            address, api_key=api_key, tls=tls, timeout=timeout, attempts=attempts, insecure=insecure
        )
        self._portal = Portal()
        self._closing = weakref.finalize(self, _close, self._portal, self._client)

    def __enter__(self) -> Self:
        """Keep the connection open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._closing()

    def image(self, source: Source | ImageId) -> Image:
        """Have an image kept. It is uploaded only where the gateway does not have it.

        Args:
            source: A file by its path or bytes; pixels, uint8 [H, W], [H, W, 3] or [H, W, 4], or an image of Pillow; or
                the identifier of an image that has been uploaded.

        Raises:
            OSError: The file cannot be read.
            ValueError: The array is no image.
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
        """
        return Image(self, self._portal, self._portal.run(self._client.image(source)))

    def models(self) -> list[Model]:
        """List the models, the default one first."""
        return self._portal.run(self._client.models())

    def model(self, name: str = "") -> Model:
        """Describe a model; without a name the default one. Raises ModelNotFound."""
        return self._portal.run(self._client.model(name))


def _close(portal: Portal, client: AsyncClient) -> None:
    portal.close(client.close())


class Image:
    """An image that the gateway keeps; `Client.image` makes it.

    It holds the bytes of its file, to upload them again where the gateway has forgotten the image.
    """

    def __init__(self, client: Client, portal: Portal, image: AsyncImage) -> None:
        self._client = client  # which is closed when nobody holds it
        self._portal = portal
        self._image = image

    @property
    def id(self) -> ImageId:
        """SHA-256 of the file."""
        return self._image.id

    @property
    def info(self) -> ImageInfo:
        """Size of the oriented image, format and size of the file."""
        return self._image.info

    @property
    def size(self) -> ImageSize:
        """Width and height of the oriented image."""
        return self._image.size

    def segment(self, **asked: Unpack[Asked]) -> Result:
        """Find the masks that a prompt means: `segment(points=[(x, y)])`, `segment(box=(x1, y1, x2, y2))`.

        Raises:
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
            ValueError: What is asked makes no sense.
        """
        return self._result(self._portal.run(self._image.segment(**asked)))

    def refine(self, answer: Answer, **asked: Unpack[Asked]) -> Result:
        """Correct the best mask of an answer by further points, and a box if one is given.

        All points so far go along: a model knows of no earlier call. Where the gateway has forgotten the mask, they do
        alone.

        Raises:
            MaskgateError: As `segment` does.
            ValueError: As `segment` does.
        """
        return self._result(self._portal.run(self._image.refine(answer, **asked)))

    def segment_many(self, prompts: Iterable[Prompt], **wishes: Unpack[Wishes]) -> list[Result | MaskgateError]:
        """Find the masks of many prompts in one call.

        All need the same coordinates. One that fails is an error in its place.

        Raises:
            MaskgateError: The gateway refuses all, does not answer in time, or cannot be reached.
            ValueError: What is asked makes no sense.
        """
        found = self._portal.run(self._image.segment_many(prompts, **wishes))
        return [self._result(part) if isinstance(part, Answer) else part for part in found]

    def everything(self, **asked: Unpack[Searching]) -> Iterator[Thing]:
        """Find everything in the image, as the reference's automatic mask generator does; each once it is settled.

        A search that is cut off goes on where it was.

        Raises:
            MaskgateError: The gateway refuses, or cannot be reached.
        """
        return self._portal.iterate(self._image.everything(**asked))

    def stream(self, coordinates: CoordinateSpace | str = "pixels", **wishes: Unpack[Wishes]) -> Stream:
        """Answer prompts at the rate of a mouse: send them whenever it moves, and iterate over the answers."""
        return Stream(self._portal, self._portal.call(lambda: self._image.stream(coordinates, **wishes)))

    def encode(self, model: str = "") -> CacheTier:
        """Encode the image ahead of its first prompt; tell where its embedding was.

        Raises:
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
        """
        return self._portal.run(self._image.encode(model))

    def embedding(self, model: str = "") -> npt.NDArray[np.float16]:
        """Return the embedding of the image, float16 [C, E, E], for decoding elsewhere.

        Raises:
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
        """
        return self._portal.run(self._image.embedding(model))

    def delete(self) -> None:
        """Have the gateway forget the image and its embeddings.

        Raises:
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
        """
        self._portal.run(self._image.delete())

    def _result(self, answer: Answer) -> Result:
        return Result(answer.found, answer.prompt, answer.model, answer.size, answer.timing, self)


@dataclass(frozen=True, slots=True)
class Result(Answer):
    """What a prompt is answered with."""

    image: Image = field(repr=False, compare=False)

    def refine(self, **asked: Unpack[Asked]) -> Result:
        """Correct the best mask, as Image.refine does."""
        return self.image.refine(self, **asked)


class Stream:
    """A stream of prompts about one image; iterate over it for the answers, which come in order.

    Of prompts that come faster than they can be answered only the newest is; the last one always.
    """

    def __init__(self, portal: Portal, stream: AsyncStream) -> None:
        self._portal = portal
        self._stream = stream

    def __enter__(self) -> Self:
        """Prompts can be sent."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say that no more prompts come. Answers that nobody iterates over are given up."""
        self.finish()

    def send(self, **asked: Unpack[Pointing]) -> int:
        """Point at something; return the number of the prompt at once. One that has not left yet is replaced.

        Raises:
            InvalidPrompt: Nothing is pointed at.
            ValueError: What is asked makes no sense.
        """
        return self._portal.call(lambda: self._stream.send(**asked))

    def finish(self) -> None:
        """Say that no more prompts come: iterating ends with the answer to the last."""
        self._portal.call(self._stream.finish)

    def __iter__(self) -> Iterator[StreamAnswer]:
        """Yield answers as they come. Raises MaskgateError."""
        return self._portal.iterate(aiter(self._stream))
