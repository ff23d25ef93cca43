"""Encoders that may be scaled to zero."""

from __future__ import annotations

import pytest

from maskgate.adapters.on_demand import EncodersOnDemand
from maskgate.domain.errors import BackendUnavailable, EncoderStarting, InferenceFailed
from tests.fakes import SPEC, FakeBackend, FakeDecoder


class World:
    """A backend whose encoders come and go."""

    def __init__(self, *, start_seconds: float = 60.0) -> None:
        self.inner = FakeBackend()
        self.there = True
        self.backend = EncodersOnDemand(self.inner, has_encoder=lambda _: self.there, start_seconds=start_seconds)

    async def encode(self) -> bytes:
        return await self.backend.encode(SPEC, await FakeDecoder().prepare(b"", side=64))

    async def refusal(self) -> EncoderStarting:
        with pytest.raises(EncoderStarting) as refused:
            await self.encode()
        return refused.value


async def test_while_there_is_none_nothing_is_tried() -> None:
    """A call is told at once for which model an encoder starts, and how long that takes."""
    world = World()
    world.there = False

    refused = await world.refusal()

    assert 0 == world.inner.encodes
    assert {"model": "tiny"} == refused.metadata
    assert refused.retry_after == pytest.approx(60, abs=1)


async def test_a_start_gets_nearer() -> None:
    """The time is counted from the first call that wanted an encoder, and never comes down to nothing."""
    world = World(start_seconds=60.0)
    world.there = False
    await world.refusal()
    world.backend._wanted_since["tiny"] -= 40
    nearer = await world.refusal()
    world.backend._wanted_since["tiny"] -= 40
    late = await world.refusal()
    world.backend._wanted_since["tiny"] -= 60
    another = await world.refusal()

    assert [20, 1, 60] == [pytest.approx(error.retry_after, abs=0.5) for error in (nearer, late, another)]


async def test_a_start_that_was_successful_is_over() -> None:
    """The next one takes its whole time again."""
    world = World()
    world.there = False
    await world.refusal()
    world.backend._wanted_since["tiny"] -= 40
    world.there = True
    await world.encode()
    world.there = False

    assert (await world.refusal()).retry_after == pytest.approx(60, abs=1)


async def test_one_that_is_lost_at_work() -> None:
    """An encoder that goes while it is asked is started again."""
    world = World()
    world.inner.encode_errors = [BackendUnavailable("gone")]
    vanish = world.inner.encode

    async def encode(*args: object) -> bytes:
        world.there = False
        return await vanish(*args)  # type: ignore[arg-type]

    world.inner.encode = encode  # type: ignore[method-assign]

    assert "ENCODER_STARTING" == (await world.refusal()).reason


@pytest.mark.parametrize("error", [BackendUnavailable("another engine"), InferenceFailed("broken")])
async def test_other_failures_are_what_they_are(error: Exception) -> None:
    """While there is an encoder, what it fails with has another reason."""
    world = World()
    world.inner.encode_error = error

    with pytest.raises(type(error)) as raised:
        await world.encode()

    assert error is raised.value
