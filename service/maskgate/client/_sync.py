"""The client for programs that wait: each method is that of the asynchronous one, and there is no other code."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from maskgate.client._async import DEFAULT_ADDRESS, DEFAULT_ATTEMPTS, DEFAULT_TIMEOUT, AsyncClient
from maskgate.client._portal import Portal
from maskgate.client._result import Answer

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from maskgate.client._asking import Asked
    from maskgate.client._gateway import Tls
    from maskgate.client._image import AsyncImage
    from maskgate.client._models import Model
    from maskgate.client._sources import Source
    from maskgate.domain.image import ImageId, ImageInfo, ImageSize


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
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        api_key: str | None = None,
        tls: Tls | bool = False,
        timeout: float = DEFAULT_TIMEOUT,
        attempts: int = DEFAULT_ATTEMPTS,
    ) -> None:
        self._client = AsyncClient(address, api_key=api_key, tls=tls, timeout=timeout, attempts=attempts)
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
