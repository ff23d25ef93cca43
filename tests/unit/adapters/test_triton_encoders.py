"""Encoders of their own: Tritons that only encode, beside some that only decode."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from maskgate.adapters.triton import TritonBackend
from maskgate.adapters.triton.encoders import Encoders
from maskgate.adapters.triton.endpoints import Manner
from maskgate.adapters.triton.names import addresses
from maskgate.adapters.triton.specs import create_spec_of_decoder
from maskgate.adapters.triton.watching import Unwatched
from maskgate.domain.errors import BackendUnavailable, InferenceFailed
from maskgate.domain.prompt import MaskSelection
from tests.fakes import CALL, SPEC, FakeDecoder, held
from tests.unit.adapters.test_triton import BOUNDS, SLOTS, decoder_config, decoder_multi_config
from tests.unit.adapters.test_triton_endpoints import EXITING, Numbered, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    from maskgate.adapters.triton import TritonBounds

NOBODY = "encoders.invalid:8001"
"""No name ever ends like that (RFC 6761)."""


def lone_decoder_config() -> ModelConfig:
    """A decoder that says by itself what it decodes."""
    config = decoder_config()
    config.input.add(name="image_embeddings", dims=(4, 8, 8))
    config.parameters["input_size"].string_value = "64"
    for name in ("weights_digest", "precision", "preprocessing"):
        config.parameters[name].string_value = getattr(SPEC, name)
    return config


class Part(Numbered):
    """A Triton that has some of a model's parts.

    Attributes:
        parts: Which.
    """

    def __init__(self, number: int, *parts: str) -> None:
        super().__init__(number)
        self.parts = parts

    async def ModelConfig(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401 - Triton's
        part = request.name.partition("_")[2]
        if part not in self.parts:
            text = f"Request for unknown model: {request.name!r} is not found"
            await context.abort(grpc.StatusCode.NOT_FOUND, text)
        if part == "decoder":
            response: Message = service_pb2.ModelConfigResponse(config=lone_decoder_config())
            return response
        return await super().ModelConfig(request, context)


@dataclass
class Split:
    """A decoder, encoders, and a backend that knows them."""

    decoder: Part
    encoders: list[Part]
    backend: TritonBackend
    servers: list[grpc.aio.Server] = field(default_factory=list)

    async def encode(self) -> float:
        """Encode; what comes back is the number of the Triton that answered."""
        image = await FakeDecoder().prepare(b"", side=64)
        embedding = await self.backend.encode(SPEC, image)
        return next(each.number for each in self.encoders if each.answers["image_embeddings"].tobytes() == embedding)


async def start(triton: Part) -> tuple[grpc.aio.Server, str]:
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    url = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    return server, url


@asynccontextmanager
async def split(encoders: int, *more: str, bounds: TritonBounds = BOUNDS) -> AsyncIterator[Split]:
    parts = [Part(0, "decoder", "decoder_multi"), *(Part(1 + number, "encoder") for number in range(encoders))]
    started = [await start(part) for part in parts]
    urls = [url for _, url in started]
    backend = TritonBackend(urls[:1], encoder_urls=[*urls[1:], *more], models=("tiny",), bounds=bounds)
    try:
        yield Split(parts[0], parts[1:], backend, [server for server, _ in started])
    finally:
        await backend.close()
        for server, _ in started:
            await server.stop(grace=None)


# Who is asked what


async def test_each_is_asked_for_its_part() -> None:
    """Prompts go to the decoder, images to the encoder, and neither needs the other's models."""
    async with split(1) as both:
        await both.backend.ping()
        await both.backend.ping_encoders()
        spec = await both.backend.spec("tiny")
        encoded = await both.encode()
        await both.backend.decode(SPEC, held(bytes(512)), SLOTS, MaskSelection.SINGLE, call=CALL)

    assert SPEC == spec
    assert 1 == encoded
    assert ["tiny_decoder"] == [request.model_name for request in both.decoder.requests]
    assert ["tiny_encoder"] == [request.model_name for request in both.encoders[0].requests]


async def test_without_an_encoder_prompts_are_decoded() -> None:
    """Where no encoder runs the gateway is up, knows the model, and decodes; only an encode is refused."""
    async with split(0, NOBODY) as lone:
        await lone.backend.ping()
        spec = await lone.backend.spec("tiny")
        await lone.backend.decode(SPEC, held(bytes(512)), SLOTS, MaskSelection.SINGLE, call=CALL)
        with pytest.raises(BackendUnavailable):
            await lone.backend.ping_encoders()
        with pytest.raises(BackendUnavailable):
            await lone.encode()
        has = lone.backend.has_encoder("tiny")

    assert SPEC == spec
    assert not has


async def test_encoders_share_the_work() -> None:
    """Images go to the less busy one."""
    async with split(2) as both:
        await both.backend.ping_encoders()
        for encoder in both.encoders:
            encoder.gate.clear()
        asked = [asyncio.create_task(both.encode()) for _ in range(4)]
        for encoder in both.encoders:
            encoder.gate.set()
        seen = await asyncio.gather(*asked)

    assert [1, 1, 2, 2] == sorted(seen)


async def test_an_encoder_of_another_engine_is_idle() -> None:
    """What it would encode no decoder here could read; that it is left out is told."""
    async with split(2) as both:
        both.encoders[0].engine = "sha256:" + "1" * 64
        await both.backend.ping()
        await both.backend.ping_encoders()
        seen = {await both.encode() for _ in range(6)}
        mismatched = both.backend.mismatched("tiny")

    assert ({2}, 1) == (seen, mismatched)


async def test_encodes_that_fail_do_not_use_up_the_retries_of_clicks() -> None:
    """However often nobody could encode, a click that meets a failure is repeated."""
    async with split(1) as both:
        await both.backend.ping_encoders()
        await both.servers[1].stop(grace=None)
        for _ in range(80):
            with pytest.raises(BackendUnavailable):
                await both.encode()
        both.decoder.failures = [(grpc.StatusCode.UNAVAILABLE, "Socket closed")]
        masks = await both.backend.decode(SPEC, held(bytes(512)), SLOTS, MaskSelection.SINGLE, call=CALL)

    assert 0.0 == float(masks.logits[0, 0, 0])


async def test_an_encoder_is_waited_for() -> None:
    """Whoever waits goes on when a look has found one that is ready."""
    async with split(1) as both:
        both.encoders[0].unready = {"tiny_encoder"}
        with pytest.raises(BackendUnavailable):
            await both.backend.ping_encoders()
        waiting = asyncio.create_task(both.backend.wait_for_encoder("tiny"))
        await asyncio.sleep(0.5)
        early = waiting.done()
        both.encoders[0].unready = set()
        await both.backend.ping_encoders()
        async with asyncio.timeout(5):
            await waiting

    assert not early


@pytest.mark.parametrize("parameter", ["input_size", "weights_digest", "precision", "preprocessing"])
def test_a_decoder_that_does_not_say_what_it_decodes(parameter: str) -> None:
    """One of a repository from before decoders said so has to be with its encoder."""
    decoder = lone_decoder_config()
    del decoder.parameters[parameter]

    with pytest.raises(InferenceFailed, match=f"contract.*{parameter}"):
        create_spec_of_decoder("tiny", decoder, decoder_multi_config())


# Names that stand for several


class Names:
    """A name server.

    Attributes:
        known: Who goes by which name.
        failure: Raised instead, while set.
        answers: While not set, it hangs.
        asked: How often.
    """

    def __init__(self, **known: list[str]) -> None:
        self.known = known
        self.failure: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = 0

    async def __call__(self, url: str) -> list[str]:
        self.asked += 1
        await self.answers.wait()
        if self.failure is not None:
            raise self.failure
        return self.known[url]


def encoders_of(names: Names) -> Encoders:
    return Encoders([*names.known], Manner(BOUNDS, Unwatched()), names)


def urls_of(encoders: Encoders) -> list[str]:
    return [endpoint.url for endpoint in encoders.all]


async def test_encoders_come_and_go() -> None:
    """Each look finds who goes by the name now; those that stay keep their connections."""
    names = Names(encoders=["10.0.0.1:1", "10.0.0.2:1"])
    encoders = encoders_of(names)
    await encoders.look_up()
    before = encoders.all
    names.known["encoders"] = ["10.0.0.2:1", "10.0.0.3:1"]
    await encoders.look_up()
    after = encoders.all
    names.known["encoders"] = []
    await encoders.look_up()
    nobody = encoders.all
    await encoders.close()

    assert ["10.0.0.1:1", "10.0.0.2:1"] == [endpoint.url for endpoint in before]
    assert ["10.0.0.2:1", "10.0.0.3:1"] == [endpoint.url for endpoint in after]
    assert before[1] is after[0]
    assert () == nobody


@pytest.mark.parametrize("failure", [OSError("no route"), TimeoutError(), UnicodeError("label empty")])
async def test_a_name_server_that_is_away(failure: Exception) -> None:
    """Encoders do not go because nobody can say where they are."""
    names = Names(encoders=["10.0.0.1:1"])
    encoders = encoders_of(names)
    await encoders.look_up()
    names.failure = failure
    await encoders.look_up()
    await encoders.close()

    assert ["10.0.0.1:1"] == urls_of(encoders)


async def test_a_name_server_that_hangs() -> None:
    """While a look-up hangs, which holds a thread, no other one of the name begins; afterwards they do as before."""
    names = Names(encoders=["10.0.0.1:1"])
    encoders = Encoders(["encoders"], Manner(replace(BOUNDS, describe=0.1), Unwatched()), names)
    names.answers.clear()
    for _ in range(2):
        await encoders.look_up()
    during = names.asked
    names.answers.set()
    await encoders.look_up()
    await encoders.close()

    assert 1 == during < names.asked
    assert ["10.0.0.1:1"] == urls_of(encoders)


async def test_who_leaves_finishes_its_work() -> None:
    """An encoder that is no longer found is not asked again, and what it works at is answered."""
    encoder = Part(1, "encoder")
    server, url = await start(encoder)
    names = Names(encoders=[url])
    encoders = Encoders(["encoders"], Manner(replace(BOUNDS, describe=1), Unwatched()), names)
    await encoders.look_up()
    (endpoint,) = encoders.all
    encoder.gate.clear()
    with endpoint.at_work():
        asked = asyncio.create_task(endpoint.check("tiny"))
        await settled(lambda: asked)
        names.known["encoders"] = []
        await encoders.look_up()
        encoder.gate.set()
        await asked
    await encoders.look_up()
    with pytest.raises(Exception, match="closed"):
        await endpoint.specs.check_ready("tiny")
    await encoders.close()
    await server.stop(grace=None)

    assert [] == urls_of(encoders)


@pytest.mark.parametrize(
    ("url", "found"),
    [("127.0.0.1:8001", ["127.0.0.1:8001"]), ("[::1]:8001", ["[::1]:8001"]), (NOBODY, [])],
)
async def test_names_are_looked_up(url: str, found: list[str]) -> None:
    """An address stands for itself, and a name that nobody has for nobody."""
    assert found == await addresses(url)


async def test_an_encode_that_fails_is_no_encoder_that_has_gone() -> None:
    """Whether one is there is found by looking: one that is not ready has gone, one that is silent may be busy."""
    async with split(1, bounds=replace(BOUNDS, describe=0.3)) as both:
        (encoder,) = both.encoders
        there = []

        async def look() -> None:
            with suppress(BackendUnavailable):
                await both.backend.ping_encoders()
            there.append(both.backend.has_encoder("tiny"))

        await look()
        encoder.failures = [EXITING]
        with pytest.raises(BackendUnavailable):
            await both.encode()
        there.append(both.backend.has_encoder("tiny"))
        encoder.gate.clear()
        both.backend._encoding.all[0].specs.forget("tiny")
        await look()
        encoder.gate.set()
        encoder.unready = {"tiny_encoder"}
        await look()
        encoder.unready = set()
        await look()

    assert [True, True, True, False, True] == there


async def test_one_that_goes_while_it_is_waited_for_is_away() -> None:
    """An encoder that goes for good while its lost connection is hoped for is away; that is no fault of ours."""
    async with split(1, bounds=replace(BOUNDS, reconnect=0.5, retry_ratio=1.0)) as lone:
        await lone.backend.ping_encoders()
        lone.encoders[0].gate.clear()
        asked = asyncio.create_task(lone.encode())
        await settled(lambda: bool(lone.encoders[0].timeouts))
        await lone.servers[1].stop(grace=None)
        await asyncio.sleep(0.1)  # it has noticed, and waits for the connection
        lone.backend._encoders._resolve = _nobody  # type: ignore[union-attr]
        with suppress(BackendUnavailable):
            await lone.backend.ping_encoders()
        with pytest.raises(BackendUnavailable):
            await asked


async def _nobody(_url: str) -> list[str]:
    return []
