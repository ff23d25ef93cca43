"""Wrappers around the ports of the gateway's own work, that time it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Histogram

    from maskgate.domain.image import EncoderImage, ImageId, ImageInfo, Region
    from maskgate.ports import ImageDecoder, Offload

_T = TypeVar("_T")


class TimedDecoder:
    """Times how long it takes to read a file, by what for."""

    def __init__(self, inner: ImageDecoder, *, seconds: Histogram) -> None:
        self._inner = inner
        self._inspect, self._prepare = [seconds.labels(purpose) for purpose in ("inspect", "prepare")]

    async def inspect(self, image_id: ImageId, content: bytes) -> ImageInfo:
        """See ImageDecoder."""
        with self._inspect.time():
            return await self._inner.inspect(image_id, content)

    async def prepare(self, content: bytes, *, side: int, region: Region | None = None) -> EncoderImage:
        """See ImageDecoder."""
        with self._prepare.time():
            return await self._inner.prepare(content, side=side, region=region)


class TimedOffload:
    """Times computations of one kind."""

    def __init__(self, inner: Offload, *, seconds: Histogram) -> None:
        self._inner = inner
        self._seconds = seconds

    async def __call__(self, compute: Callable[[], _T], /) -> _T:
        """See Offload."""
        with self._seconds.time():
            return await self._inner(compute)
