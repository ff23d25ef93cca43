from __future__ import annotations

import asyncio
import gc
import inspect
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from maskgate import client as package
from maskgate.client import AsyncClient, AsyncImage, AsyncResult, AsyncStream, Client, Image, Result, Stream, errors
from tests import pictures

if TYPE_CHECKING:
    from tests.unit.client.conftest import Served

PHOTO = pictures.png(40, 30)
PAIRS = [(AsyncClient, Client), (AsyncImage, Image), (AsyncResult, Result), (AsyncStream, Stream)]
ENTERING = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__"}
SERVER_ONLY = (
    "pydantic",
    "fastapi",
    "starlette",
    "redis",
    "tritonclient",
    "structlog",
    "prometheus_client",
    "PIL",
    "click",
)


def faces(kind: type[Any]) -> dict[str, str]:
    """What a class offers, with what it takes and returns, told without the words that make it asynchronous."""
    offered = {}
    for name, member in inspect.getmembers(kind):
        if name.startswith("_") and name not in {*ENTERING, *ENTERING.values()}:
            continue
        told = str(inspect.signature(member)) + (member.__doc__ or "") if inspect.isfunction(member) else ""
        doc = member.fget.__doc__ if isinstance(member, property) else told
        offered[ENTERING.get(name, name)] = str(doc).replace("Async", "")
    return offered


@pytest.mark.parametrize(("asynchronous", "waiting"), PAIRS, ids=["client", "image", "result", "stream"])
def test_both_clients_offer_the_same(asynchronous: type[Any], waiting: type[Any]) -> None:
    """The client that waits has the methods of the asynchronous one, with their parameters, results and words."""
    assert faces(asynchronous) == faces(waiting)


def test_what_is_exported() -> None:
    """The public face is the list in `__all__`, in order, and nothing else."""
    public = [name for name, value in vars(package).items() if not name.startswith("_") and name in package.__all__]

    assert sorted(package.__all__) == package.__all__
    assert sorted(public) == package.__all__
    assert all(name.startswith("_") for name in vars(package) if name not in package.__all__)


async def test_waiting_for_masks(served: Served) -> None:
    """A program without an event loop gets the same masks, and refines them."""

    def program() -> tuple[Any, ...]:
        with Client(served.address) as client:
            image = client.image(PHOTO)
            answer = image.segment(points=[(5, 5)])
            refined = answer.refine(points=[(30, 5)], labels=[0])
            return answer, refined, client.models(), client.model("tiny"), image

    answer, refined, models, model, image = await asyncio.to_thread(program)

    async with AsyncClient(served.address) as client:
        expected = await (await client.image(PHOTO)).segment(points=[(5, 5)])
    np.testing.assert_array_equal(expected.masks, answer.masks)
    assert expected.found == answer.found
    assert 2 == len(refined.prompt.points)
    assert [model] == models
    assert image.info.image_id == image.id


async def test_errors_reach_the_one_who_waits(served: Served) -> None:
    """What is refused is raised in the thread of the caller."""

    def program() -> None:
        with Client(served.address) as client:
            client.image(PHOTO).segment(points=[(1000, 1)])

    with pytest.raises(errors.InvalidPrompt, match="outside"):
        await asyncio.to_thread(program)


async def test_threads_share_a_client(served: Served) -> None:
    """Many threads may wait at once."""
    client = await asyncio.to_thread(Client, served.address)
    image = await asyncio.to_thread(client.image, PHOTO)

    answers = await asyncio.gather(*(asyncio.to_thread(image.segment, points=[(x, 5)]) for x in range(8)))
    await asyncio.to_thread(client.close)

    assert 8 == len(answers)


async def test_a_client_that_nobody_closes(served: Served) -> None:
    """It lives as long as its images, and takes its thread along when nobody holds them any more."""

    def program() -> bool:
        image = Client(served.address).image(PHOTO)
        gc.collect()
        return bool(image.segment(points=[(5, 5)]).found)

    assert await asyncio.to_thread(program)
    gc.collect()
    assert "maskgate-client" not in {thread.name for thread in threading.enumerate()}


def test_it_needs_nothing_of_the_server() -> None:
    """The client can be imported where what the gateway needs is not installed."""
    script = f"""
import sys
sys.modules.update(dict.fromkeys({SERVER_ONLY!r}))
import maskgate.client
inside = ("maskgate.adapters", "maskgate.ports", "maskgate.settings", "maskgate.usecases")
print(sorted(name for name in sys.modules if name.startswith(inside)))
"""

    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert ("", "[]\n") == (finished.stderr, finished.stdout)
