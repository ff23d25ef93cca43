"""The client for programs that are asynchronous; the other one (_sync.py) waits for this one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from maskgate.client._access import Access, Tls
from maskgate.client._answers import to_image
from maskgate.client._gateway import Gateway
from maskgate.client._image import AsyncImage, upload
from maskgate.client._models import Model, to_model
from maskgate.client._sources import content_of
from maskgate.domain.errors import ImageNotFound, Overloaded, Unavailable
from maskgate.domain.image import ImageId
from maskgate.transport.grpc._pb import models_pb2
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from google.protobuf.message import Message

    from maskgate.client._sources import Source
    from maskgate.domain.image import ImageInfo

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 60.0
DEFAULT_ATTEMPTS = 3


class AsyncClient:
    """Talks to a gateway, from one event loop.

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
        trusted = Tls() if tls is True else tls or None
        self._gateway = Gateway(Access(address, api_key, trusted, timeout, attempts, insecure))

    async def __aenter__(self) -> Self:
        """Keep the connection open."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._gateway.close()

    async def image(self, source: Source | ImageId) -> AsyncImage:
        """Have an image kept. It is uploaded only where the gateway does not have it.

        Args:
            source: A file by its path or bytes; pixels, uint8 [H, W], [H, W, 3] or [H, W, 4], or an image of Pillow; or
                the identifier of an image that has been uploaded.

        Raises:
            OSError: The file cannot be read.
            ValueError: The array is no image.
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
        """
        if isinstance(source, ImageId):
            return AsyncImage(self._gateway, await self._kept(source, self._gateway.ask), None)
        content = await asyncio.to_thread(content_of, source)
        image_id = await asyncio.to_thread(ImageId.of, content)
        try:
            info = await self._kept(image_id, self._gateway.ask_once)
        except (ImageNotFound, Overloaded, Unavailable):  # without Redis nobody knows, and uploads work all the same
            info = await upload(self._gateway, content)
        return AsyncImage(self._gateway, info, content)

    async def models(self) -> list[Model]:
        """List the models, the default one first."""
        request = models_pb2.ListModelsRequest()
        response: models_pb2.ListModelsResponse = await self._gateway.ask(self._gateway.models.ListModels, request)
        return list(map(to_model, response.models))

    async def model(self, name: str = "") -> Model:
        """Describe a model; without a name the default one. Raises ModelNotFound."""
        request = models_pb2.GetModelRequest(name=name)
        response: models_pb2.GetModelResponse = await self._gateway.ask(self._gateway.models.GetModel, request)
        return to_model(response.model)

    async def _kept(self, image_id: ImageId, ask: Callable[[Any, Message], Awaitable[Any]]) -> ImageInfo:
        request = pb.GetImageRequest(image_id=str(image_id))
        response: pb.GetImageResponse = await ask(self._gateway.segmentation.GetImage, request)
        return to_image(response.image)
