"""Streams over both protocols behind one interface."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from tests.unit.transport.skins import SERVICE, create_rest_app, from_error, open_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from fastapi import FastAPI

    from maskgate.domain.prompt import Point
    from tests.unit.transport.world import World

PATIENCE = 5.0


@dataclass(frozen=True)
class Said:
    """An answer: the RLE counts of its masks, and code and reason of its error."""

    sequence: int
    masks: tuple[str, ...] = ()
    error: tuple[str, str] | None = None
    superseded: int = 0
    cache_tier: str | None = None


class EndedError(Exception):
    """The stream has ended, with this code, this reason and this delay."""

    def __init__(self, code: str, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(code, reason, retry_after)


class Conversation(Protocol):
    """The client's side of a stream."""

    async def target(
        self, image_id: str, model: str = "", coordinates: str = "pixels", *, mask_handles: bool = False
    ) -> None: ...

    async def prompt(self, sequence: int, *points: Point) -> None: ...

    async def nothing(self) -> None:
        """Send a message that is neither a target nor a prompt."""
        ...

    async def garbage(self) -> None:
        """Send what is no message."""
        ...

    async def answer(self) -> Said:
        """Wait for the next answer. Raises EndedError."""
        ...

    async def leave(self) -> None:
        """Go, without waiting for anything."""
        ...


class GrpcConversation:
    """Messages on a stream of HTTP/2."""

    def __init__(self, call: Any) -> None:  # noqa: ANN401 - gRPC's calls are untyped
        self._call = call

    async def _say(self, message: pb.SegmentStreamRequest) -> None:
        await self._call.write(message.SerializeToString())

    async def target(
        self, image_id: str, model: str = "", coordinates: str = "pixels", *, mask_handles: bool = False
    ) -> None:
        space = f"COORDINATE_SPACE_{coordinates.upper()}"
        target = pb.StreamTarget(image_id=image_id, model=model, coordinates=space)
        if mask_handles:
            target.output.mask_handles = True
        await self._say(pb.SegmentStreamRequest(target=target))

    async def prompt(self, sequence: int, *points: Point) -> None:
        asked = pb.Prompt(points=[pb.Point(x=point.x, y=point.y, label=point.label) for point in points])
        await self._say(pb.SegmentStreamRequest(prompt=pb.StreamPrompt(sequence=sequence, prompt=asked)))

    async def nothing(self) -> None:
        await self._say(pb.SegmentStreamRequest())

    async def garbage(self) -> None:
        await self._call.write(b"\x0a\xff")

    async def done(self) -> None:
        await self._call.done_writing()

    async def answer(self) -> Said:
        try:
            async with asyncio.timeout(PATIENCE):
                response = await self._call.read()
        except grpc.aio.AioRpcError as error:
            told = from_error(error)
            raise EndedError(told.code, told.reason, told.retry_after) from error
        if response is grpc.aio.EOF:
            raise EndedError("OK")
        return Said(
            response.sequence,
            tuple(mask.rle.counts for mask in response.masks),
            (response.error.code, response.error.reason) if response.HasField("error") else None,
            response.superseded,
            pb.CacheTier.Name(response.timing.cache_tier).removeprefix("CACHE_TIER_").lower()
            if response.HasField("timing")
            else None,
        )

    async def leave(self) -> None:
        self._call.cancel()


class RestConversation:
    """JSON at a WebSocket, in process: what a server and its app say to each other (ASGI).

    Args:
        app: Answers.
        headers: What the client says at first.
        unread: Messages that may wait to be heard; 0: any number.
    """

    def __init__(self, app: FastAPI, headers: dict[str, str], *, unread: int = 0) -> None:
        self._received: asyncio.Queue[Any] = asyncio.Queue()
        self._sent: asyncio.Queue[Any] = asyncio.Queue(unread)
        self._received.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "path": "/v1/stream",
            "raw_path": b"/v1/stream",
            "root_path": "",
            "query_string": b"",
            "scheme": "ws",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": [],
        }
        self.serving = asyncio.create_task(app(scope, self._received.get, self._sent.put))  # type: ignore[arg-type]

    async def hear(self) -> Any:  # noqa: ANN401 - any ASGI message
        async with asyncio.timeout(PATIENCE):
            return await self._sent.get()

    async def say(self, message: object) -> None:
        await self.say_text(json.dumps(message))

    async def say_text(self, text: str) -> None:
        await self._received.put({"type": "websocket.receive", "text": text})

    async def say_bytes(self, data: bytes) -> None:
        await self._received.put({"type": "websocket.receive", "bytes": data})

    async def target(
        self, image_id: str, model: str = "", coordinates: str = "pixels", *, mask_handles: bool = False
    ) -> None:
        wishes: dict[str, Any] = {"model": model, "coordinates": coordinates}
        if mask_handles:
            wishes["output"] = {"mask_handles": True}
        await self.say({"target": {"image_id": image_id, **wishes}})

    async def prompt(self, sequence: int, *points: Point) -> None:
        asked = {"points": [{"x": point.x, "y": point.y, "label": point.label} for point in points]}
        await self.say({"prompt": {"sequence": sequence, "prompt": asked}})

    async def nothing(self) -> None:
        await self.say({})

    async def garbage(self) -> None:
        await self.say_text('{"target": ')

    async def answer(self) -> Said:
        message = await self.hear()
        assert "websocket.send" == message["type"], message
        body = json.loads(message["text"])
        error = body["error"]
        if "sequence" not in body:
            close = await self.hear()
            assert (4000 + error["code"], error["reason"]) == (close["code"], close["reason"])
            raise EndedError(error["status"], error["reason"], body["retry_after"])
        return Said(
            body["sequence"],
            tuple(mask["rle"]["counts"] for mask in body["masks"]),
            error and (error["status"], error["reason"]),
            body["superseded"],
            body["timing"] and body["timing"]["cache_tier"],
        )

    async def leave(self) -> None:
        await self._received.put({"type": "websocket.disconnect", "code": 1001})


@asynccontextmanager
async def grpc_conversation(world: World) -> AsyncIterator[GrpcConversation]:
    async with open_grpc(world) as skin:
        method: Any = skin.channel.stream_stream(  # of bytes, so that a test may send any
            f"/{SERVICE}/SegmentStream", response_deserializer=pb.SegmentStreamResponse.FromString
        )
        call = method()
        try:
            yield GrpcConversation(call)
        finally:
            call.cancel()


@asynccontextmanager
async def rest_conversation(world: World, headers: dict[str, str] | None = None) -> AsyncIterator[RestConversation]:
    conversation = refusable_conversation(world, headers or {})
    assert "websocket.accept" == (await conversation.hear())["type"]
    try:
        yield conversation
    finally:
        await conversation.leave()
        await asyncio.wait_for(conversation.serving, PATIENCE)


def refusable_conversation(world: World, headers: dict[str, str], *, unread: int = 0) -> RestConversation:
    return RestConversation(create_rest_app(world), headers, unread=unread)


CONVERSATIONS: dict[str, Callable[[World], AbstractAsyncContextManager[Conversation]]] = {
    "grpc": grpc_conversation,
    "rest": rest_conversation,
}
