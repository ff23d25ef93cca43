"""People at the gateway: each asks, waits for the answer, and asks again, so as many calls are under way as people."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from tests.e2e import photos

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Person = Callable[[SegmentationServiceStub], Awaitable[None]]

SECONDS = 60.0


async def upload(stub: SegmentationServiceStub) -> str:
    """Keep a photo that nobody has seen yet."""
    answer = await stub.UploadImage(pb.UploadImageRequest(content=photos.fresh("cat")), timeout=SECONDS)
    return str(answer.image.image_id)


async def click(stub: SegmentationServiceStub, image_id: str) -> None:
    """Ask for a mask."""
    await stub.Segment(pb.SegmentRequest(image_id=image_id, points=[pb.Point(x=160, y=180)]), timeout=SECONDS)


@contextmanager
def people(address: str, count: int, person: Person) -> Iterator[list[BaseException]]:
    """Let so many people ask meanwhile; yields what went wrong."""
    stopping = threading.Event()
    wrong: list[BaseException] = []
    thread = threading.Thread(target=lambda: asyncio.run(_ask(address, count, person, stopping, wrong)))
    thread.start()
    try:
        yield wrong
    finally:
        stopping.set()
        thread.join()


async def _ask(address: str, count: int, person: Person, stopping: threading.Event, wrong: list[BaseException]) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call]

        async def again_and_again() -> None:
            try:
                while not stopping.is_set():
                    await person(stub)
            except grpc.aio.AioRpcError as error:
                wrong.append(error)

        await asyncio.gather(*(again_and_again() for _ in range(count)))
