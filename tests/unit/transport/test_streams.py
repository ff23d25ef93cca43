"""What is promised of streams of prompts whatever the protocol: each test runs over gRPC and over a WebSocket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from maskgate.domain.errors import BackendUnavailable, InferenceFailed, Overloaded
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Point
from tests import pictures, virtual_time
from tests.unit.transport.conversations import (
    CONVERSATIONS,
    EndedError,
    Said,
    grpc_conversation,
    refusable_conversation,
    rest_conversation,
)
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.transport.conversations import Conversation

PHOTO, OTHER = pictures.png(), pictures.png(20, 50)
UNKNOWN_ID = "sha256:" + "0" * 64
CLICK = Point(10, 20)


@pytest.fixture(params=CONVERSATIONS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def stream(protocol: str, world: World) -> AsyncIterator[Conversation]:
    async with CONVERSATIONS[protocol](world) as opened:
        yield opened


async def ready(stream: Conversation, world: World, content: bytes = PHOTO) -> None:
    await stream.target(await world.keep(content))
    assert 0 == (await stream.answer()).sequence


async def ended(stream: Conversation) -> tuple[object, ...]:
    with pytest.raises(EndedError) as caught:
        await stream.answer()
    return caught.value.args


# Answers


async def test_a_target_is_encoded_and_ready(stream: Conversation, world: World) -> None:
    """The first answer has no masks; it says that the image was encoded for it."""
    await stream.target(await world.keep(PHOTO))

    assert Said(0, cache_tier="miss") == await stream.answer()
    assert 1 == world.backend.encodes


async def test_prompts_are_answered_as_calls_are(stream: Conversation, world: World) -> None:
    """A prompt gets the mask that Segment answers, from the embedding at hand."""
    await ready(stream, world)
    await stream.prompt(7, CLICK)

    answer = await stream.answer()

    assert (7, 1, None, 0, "l1") == (
        answer.sequence, len(answer.masks), answer.error, answer.superseded, answer.cache_tier
    )  # fmt: skip
    assert (1, 1.0) == (world.backend.encodes, world.streamed("answered"))


async def test_what_is_hovered_past_is_not_kept(stream: Conversation, world: World) -> None:
    """The logits of a stream's masks are kept for handles only where these are asked for."""
    await ready(stream, world)
    await stream.prompt(1, CLICK)
    await stream.answer()
    hovered = len(world.masks.entries)
    await stream.target(await world.keep(PHOTO), mask_handles=True)
    await stream.answer()
    await stream.prompt(2, CLICK)
    await stream.answer()

    assert (0, 1) == (hovered, len(world.masks.entries))


async def test_the_newest_wins(stream: Conversation, world: World) -> None:
    """While one prompt is decoded the newest one waits; those in between never reach the decoder."""
    await ready(stream, world)
    world.backend.gate.clear()
    await stream.prompt(1, CLICK)
    await world.until_decodes(1)
    for sequence in range(2, 100):
        await stream.prompt(sequence, Point(10, 20, 1))
    await stream.prompt(100, Point(11, 20))
    await world.until_heard(101)
    world.backend.gate.set()

    first, last = await stream.answer(), await stream.answer()

    assert [(1, 98), (100, 0)] == [(first.sequence, first.superseded), (last.sequence, last.superseded)]
    assert 2 == len(world.backend.decodes)
    assert (2.0, 98.0, 0.0) == tuple(map(world.streamed, ("answered", "superseded", "cancelled")))


async def test_a_target_may_be_sent_again(stream: Conversation, world: World) -> None:
    """Prompts about the image before are dropped, also the one at work; those after it are about the new image."""
    await ready(stream, world)
    other = await world.keep(OTHER)
    world.backend.gate.clear()
    await stream.prompt(1, CLICK)
    await world.until_decodes(1)
    await stream.prompt(2, CLICK)
    await stream.target(other)
    await stream.prompt(3, Point(10, 45))
    await world.until_heard(5)
    world.backend.gate.set()

    opened, answered = await stream.answer(), await stream.answer()

    assert [(0, 2), (3, 0)] == [(opened.sequence, opened.superseded), (answered.sequence, answered.superseded)]
    assert (1.0, 1.0) == (world.streamed("superseded"), world.streamed("cancelled"))
    assert [1] == [len(answered.masks)]


async def test_coordinates_are_those_of_the_target(stream: Conversation, world: World) -> None:
    """A target says what the numbers of its prompts mean."""
    await stream.target(await world.keep(PHOTO), coordinates="normalized")
    await stream.answer()
    await stream.prompt(1, Point(0.25, 0.5))
    await stream.answer()

    (decode,) = world.backend.decodes
    assert [16.0, 24.0] == decode.slots.coords[0].tolist()


# What is held


async def test_the_embedding_is_held_for_its_target(protocol: str, world: World) -> None:
    """It is held between prompts, replaced by the next target's, and released when the client goes."""
    async with CONVERSATIONS[protocol](world) as stream:
        await ready(stream, world)
        first = [key.image_id for key in world.shelf.held]
        await ready(stream, world, OTHER)
        second = [key.image_id for key in world.shelf.held]
        await stream.leave()
        await until_all_left(world)

    assert [[ImageId.of(PHOTO)], [ImageId.of(OTHER)]] == [first, second]
    assert [] == world.shelf.held


async def until_all_left(world: World) -> None:
    async with asyncio.timeout(5):
        while world.registry.get_sample_value("maskgate_streams_open"):  # noqa: ASYNC110 - a gauge sets no event
            await asyncio.sleep(0.001)


async def test_streams_hold_half_of_the_places(protocol: str) -> None:
    """Beyond half of the places nothing is held between prompts, which are answered all the same."""
    world = World(places=2)
    async with CONVERSATIONS[protocol](world) as one, CONVERSATIONS[protocol](world) as two:
        await ready(one, world)
        await ready(two, world, OTHER)
        held = [key.image_id for key in world.shelf.held]
        await two.prompt(1, CLICK)
        answered = (await two.answer()).sequence
        await one.leave()

    assert ([ImageId.of(PHOTO)], 1) == (held, answered)


async def test_who_leaves_ends_the_work(stream: Conversation, world: World) -> None:
    """A prompt that is being decoded is given up when its client goes."""
    await ready(stream, world)
    world.backend.gate.clear()
    await stream.prompt(1, CLICK)
    await world.until_decodes(1)
    await stream.leave()
    await until_all_left(world)

    assert [] == world.shelf.held


# Errors of prompts


async def test_a_bad_prompt_does_not_end_the_stream(stream: Conversation, world: World) -> None:
    """Its answer says why it failed, as the status of a call would; the next prompt is answered."""
    await ready(stream, world)
    await stream.prompt(1, Point(1000, 1))
    failed = await stream.answer()
    await stream.prompt(2)
    empty = await stream.answer()
    await stream.prompt(3, CLICK)

    assert Said(1, error=("INVALID_ARGUMENT", "INVALID_PROMPT")) == failed
    assert Said(2, error=("INVALID_ARGUMENT", "INVALID_PROMPT")) == empty
    assert (3, 1) == ((answer := await stream.answer()).sequence, len(answer.masks))
    assert (2.0, 1.0) == (world.streamed("failed"), world.streamed("answered"))


async def test_an_overload_passes(stream: Conversation, world: World) -> None:
    """A prompt that finds no place is answered with that, and the stream goes on."""
    await ready(stream, world)
    world.backend.decode_error = Overloaded("The queue is full.")
    await stream.prompt(1, CLICK)
    refused = await stream.answer()
    world.backend.decode_error = None
    await stream.prompt(2, CLICK)

    assert Said(1, error=("RESOURCE_EXHAUSTED", "OVERLOADED")) == refused
    assert 2 == (await stream.answer()).sequence


async def test_each_prompt_has_a_deadline(protocol: str) -> None:
    """One that hangs is answered with DEADLINE_EXCEEDED; the stream itself may take longer."""
    world = World(max_seconds=0.5)
    async with CONVERSATIONS[protocol](world) as stream:
        await ready(stream, world)
        world.backend.gate.clear()
        await stream.prompt(1, CLICK)
        late = await stream.answer()
        world.backend.gate.set()
        await stream.prompt(2, CLICK)
        answered = await stream.answer()

    assert Said(1, error=("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")) == late
    assert (2, None) == (answered.sequence, answered.error)


# Errors of streams


async def test_a_prompt_needs_a_target(stream: Conversation) -> None:
    """A prompt before any target ends the stream."""
    await stream.prompt(1, CLICK)

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST", None) == await ended(stream)


@pytest.mark.parametrize("sequence", [-1, 0, 3, 4])
async def test_sequences_grow(stream: Conversation, world: World, sequence: int) -> None:
    """A sequence that does not grow ends the stream, after what was asked before it has been answered."""
    await ready(stream, world)
    await stream.prompt(4, CLICK)
    await stream.prompt(sequence, CLICK)

    assert 4 == (await stream.answer()).sequence
    assert ("INVALID_ARGUMENT", "INVALID_REQUEST", None) == await ended(stream)


async def test_a_message_says_something(stream: Conversation) -> None:
    """One that is neither a target nor a prompt ends the stream."""
    await stream.nothing()

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST", None) == await ended(stream)


async def test_garbage_ends_the_stream(stream: Conversation) -> None:
    """What is no message is the client's mistake."""
    await stream.garbage()

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST", None) == await ended(stream)


@pytest.mark.parametrize(
    ("image_id", "model", "code", "reason"),
    [
        (UNKNOWN_ID, "", "NOT_FOUND", "IMAGE_NOT_FOUND"),
        (UNKNOWN_ID, "none", "NOT_FOUND", "MODEL_NOT_FOUND"),
        ("cat.jpg", "", "INVALID_ARGUMENT", "INVALID_IMAGE_ID"),
    ],
)
async def test_a_target_that_is_not_there(
    stream: Conversation, image_id: str, model: str, code: str, reason: str
) -> None:
    """A target that cannot be opened ends the stream."""
    await stream.target(image_id, model)

    assert (code, reason, None) == await ended(stream)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BackendUnavailable("Triton is away."), ("UNAVAILABLE", "BACKEND_UNAVAILABLE", 1)),
        (InferenceFailed("A secret."), ("INTERNAL", "INFERENCE_FAILED", None)),
        (RuntimeError("A secret."), ("INTERNAL", "INTERNAL", None)),
    ],
)
async def test_a_fault_of_the_service_ends_the_stream(
    stream: Conversation, world: World, error: Exception, told: tuple[object, ...]
) -> None:
    """What the next prompt would meet again is a status, with a delay where trying again may help."""
    await ready(stream, world)
    world.backend.decode_error = error
    await stream.prompt(1, CLICK)

    assert told == await ended(stream)


async def test_streams_beyond_the_bound_are_refused(protocol: str) -> None:
    """Another stream is refused with a reason; when one has ended there is room again."""
    world = World(most_streams=1)
    async with CONVERSATIONS[protocol](world) as first:
        await ready(first, world)
        async with CONVERSATIONS[protocol](world) as second:
            refused = await ended(second)
        await first.leave()
        await until_all_left(world)
    async with CONVERSATIONS[protocol](world) as third:
        await ready(third, world)

    assert ("RESOURCE_EXHAUSTED", "OVERLOADED", 1) == refused


async def test_a_silent_client_is_let_go(protocol: str) -> None:
    """A stream on which nothing is said for too long ends with DEADLINE_EXCEEDED."""
    world = World(idle_seconds=0.05)
    async with CONVERSATIONS[protocol](world) as stream:
        await ready(stream, world)

        assert ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", None) == await ended(stream)


async def test_stopping_answers_what_was_asked(stream: Conversation, world: World) -> None:
    """When the gateway stops, the prompt at work and the one that waits are answered; then the client is sent away."""
    await ready(stream, world)
    world.backend.gate.clear()
    await stream.prompt(1, CLICK)
    await world.until_decodes(1)
    await stream.prompt(2, CLICK)
    await world.until_heard(3)
    stopping = asyncio.create_task(world.streams.stop(within=5))
    await asyncio.sleep(0)
    world.backend.gate.set()

    assert [1, 2] == [(await stream.answer()).sequence, (await stream.answer()).sequence]
    assert ("UNAVAILABLE", "SHUTTING_DOWN", 1) == await ended(stream)
    await asyncio.wait_for(stopping, 5)


async def test_stopping_waits_whatever_has_closed_before(protocol: str, world: World) -> None:
    """A stream that still has answers to come is waited for, also where others had all gone once."""
    async with CONVERSATIONS[protocol](world) as earlier:
        await ready(earlier, world)
        await earlier.leave()
        await until_all_left(world)
    async with CONVERSATIONS[protocol](world) as stream:
        await ready(stream, world)
        world.backend.gate.clear()
        await stream.prompt(1, CLICK)
        await world.until_decodes(1)
        stopping = asyncio.create_task(world.streams.stop(within=5))
        await asyncio.wait([stopping], timeout=0.02)
        waited = not stopping.done()
        world.backend.gate.set()

        assert (True, 1) == (waited, (await stream.answer()).sequence)
        await asyncio.wait_for(stopping, 5)


async def test_stopping_does_not_wait_for_ever(stream: Conversation, world: World) -> None:
    """A prompt that hangs gets the time of a drain and no more."""
    await ready(stream, world)
    world.backend.gate.clear()
    await stream.prompt(1, CLICK)
    await world.until_decodes(1)

    await asyncio.wait_for(world.streams.stop(within=0.01), 5)

    world.backend.gate.set()
    assert 1 == (await stream.answer()).sequence


async def test_no_stream_begins_while_stopping(protocol: str, world: World) -> None:
    """A stream that is opened while the gateway stops is refused."""
    await world.streams.stop(within=1)
    async with CONVERSATIONS[protocol](world) as stream:
        assert ("UNAVAILABLE", "SHUTTING_DOWN", 1) == await ended(stream)


# What one of them has alone


async def test_a_client_of_grpc_may_say_that_it_is_done(world: World) -> None:
    """After a half-close what waits is answered, then the stream ends well."""
    async with grpc_conversation(world) as stream:
        await ready(stream, world)
        await stream.prompt(1, CLICK)
        await stream.done()

        assert 1 == (await stream.answer()).sequence
        assert ("OK", "", None) == await ended(stream)
    assert 1 == world.answered("grpc", "SegmentStream", "OK")


async def test_a_websocket_takes_text_alone(world: World) -> None:
    """A binary message ends the stream."""
    async with rest_conversation(world) as stream:
        await stream.say_bytes(b"{}")

        assert ("INVALID_ARGUMENT", "INVALID_REQUEST", None) == await ended(stream)


def test_a_websocket_that_is_not_read_ends() -> None:
    """The error that ends a stream is told soon or not at all: a client that reads nothing does not keep it open."""

    async def ended() -> None:
        conversation = refusable_conversation(World(), {}, unread=1)
        await conversation.garbage()  # what was accepted is all that is sent
        await asyncio.wait_for(conversation.serving, 60)

    virtual_time.run(ended())


async def test_going_is_how_a_websocket_ends(world: World) -> None:
    """A browser has no other way to end a stream, so it counts as answered."""
    async with rest_conversation(world) as stream:
        await ready(stream, world)

    assert 1 == world.answered("rest", "SegmentStream", "OK")


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({"host": "gateway:8080"}, True),
        ({"host": "gateway:8080", "origin": "http://gateway:8080"}, True),
        ({"host": "Gateway", "origin": "https://gateway"}, True),
        ({"host": "gateway:8080", "origin": "http://gateway:3000"}, False),
        ({"host": "gateway:8080", "origin": "http://elsewhere.example"}, False),
        ({"host": "gateway:8080", "origin": "null"}, False),
        ({"host": "gateway", "origin": "http://[::1"}, False),
        ({"origin": "http://gateway"}, False),
    ],
)
async def test_pages_of_other_sites_are_refused(world: World, headers: dict[str, str], *, accepted: bool) -> None:
    """A page may connect where it came from; what sends no Origin is no browser."""
    stream = refusable_conversation(world, headers)

    answer = await stream.hear()
    await stream.leave()
    await stream.serving

    assert ("websocket.accept" if accepted else "websocket.close") == answer["type"]
