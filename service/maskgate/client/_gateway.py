"""The connection to a gateway: a channel, what goes along with each call, and the time that it may take."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from maskgate.client._errors import translated
from maskgate.client._retries import Retries
from maskgate.transport.grpc._pb.generation_pb2_grpc import GenerationServiceStub
from maskgate.transport.grpc._pb.images_pb2_grpc import ImageServiceStub
from maskgate.transport.grpc._pb.models_pb2_grpc import ModelServiceStub
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import grpc
    from google.protobuf.message import Message

    from maskgate.client._access import Access


class Gateway:
    """A gateway that can be asked. The channel is opened by the first call, in the event loop of that call.

    Attributes:
        retries: Tries calls again.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self.retries = Retries(access.attempts)
        self._metadata = [("authorization", f"Bearer {access.api_key}")] if access.api_key else []

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        return self._access.open_channel()

    @cached_property
    def segmentation(self) -> Any:  # noqa: ANN401 - generated stubs are untyped
        """The methods of SegmentationService."""
        return SegmentationServiceStub(self._channel)  # type: ignore[no-untyped-call]

    @cached_property
    def images(self) -> Any:  # noqa: ANN401
        """The methods of ImageService."""
        return ImageServiceStub(self._channel)  # type: ignore[no-untyped-call]

    @cached_property
    def generation(self) -> Any:  # noqa: ANN401
        """The methods of GenerationService."""
        return GenerationServiceStub(self._channel)  # type: ignore[no-untyped-call]

    @cached_property
    def models(self) -> Any:  # noqa: ANN401
        """The methods of ModelService."""
        return ModelServiceStub(self._channel)  # type: ignore[no-untyped-call]

    @property
    def seconds(self) -> float:
        """How long a call may take."""
        return self._access.seconds

    async def ask(self, method: Any, request: Message) -> Any:  # noqa: ANN401
        """Call a method of one response, again where that helps.

        Raises:
            MaskgateError: The gateway refuses, does not answer in time, or cannot be reached.
        """
        return await self.retries(lambda seconds: self._once(method, request, seconds), seconds=self._access.seconds)

    async def ask_once(self, method: Any, request: Message) -> Any:  # noqa: ANN401
        """Call a method of one response, where there is another way if it fails. Raises MaskgateError."""
        return await self._once(method, request, self._access.seconds)

    async def _once(self, method: Any, request: Message, seconds: float) -> Any:  # noqa: ANN401
        with translated(self._access.address):
            return await method(request, timeout=seconds, metadata=self._metadata)

    async def listen(
        self,
        method: Any,  # noqa: ANN401
        request: Message | AsyncIterator[Message],
        *,
        seconds: float | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Call a method of many responses, once. Without `seconds` it may take as long as the gateway lets it.

        Raises:
            MaskgateError: As `ask` does.
        """
        with translated(self._access.address):
            call = method(request, timeout=seconds, metadata=self._metadata)
            try:
                async for response in call:
                    yield response
            finally:
                call.cancel()

    async def close(self) -> None:
        """Close the channel, if it was opened; calls under way are cancelled."""
        if "_channel" in self.__dict__:
            await self._channel.close()
