"""Answers that are sent line by line, as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from maskgate.domain.errors import MaskgateError
from maskgate.transport import status
from maskgate.transport.rest.schemas.errors import ErrorDetail, ErrorResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pydantic import BaseModel

    Lines = AsyncGenerator[BaseModel, None]

MEDIA_TYPE = "application/x-ndjson"


async def ndjson(lines: Lines) -> StreamingResponse:
    """Answer with a line of JSON for each.

    An error before the first line is raised here and becomes a status. A later one is the last line, since the status
    has been sent by then: `{"error": ...}` as the whole body would be.
    """
    pumped = _pumped(lines)
    first = await anext(pumped)
    return StreamingResponse(_written(first, pumped), media_type=MEDIA_TYPE)


async def _written(first: BaseModel, rest: Lines) -> AsyncGenerator[str, None]:
    yield f"{first.model_dump_json()}\n"
    try:
        async for line in rest:
            yield f"{line.model_dump_json()}\n"
    except MaskgateError as error:
        yield _last(status.told(error))
    except Exception:  # noqa: BLE001 - the outermost handler of what has begun; the observer has logged it
        yield _last(status.internal())


def _last(told: status.Told) -> str:
    return f"{ErrorResponse(error=ErrorDetail.of(told)).model_dump_json()}\n"


async def _pumped(lines: Lines) -> Lines:
    """Read lines in a task of their own.

    The first is wanted by the route and the others by the server, which may be two tasks; and a deadline that surrounds
    the lines ends the task in which it began.
    """
    queue: asyncio.Queue[BaseModel | Exception | None] = asyncio.Queue(maxsize=1)
    pumping = asyncio.create_task(_pump(lines, queue), name="ndjson")
    try:
        while (item := await queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        pumping.cancel()


async def _pump(lines: Lines, queue: asyncio.Queue[BaseModel | Exception | None]) -> None:
    end: Exception | None = None
    try:
        async for line in lines:
            await queue.put(line)
    except Exception as error:  # noqa: BLE001 - raised by who reads
        end = error
    await queue.put(end)
