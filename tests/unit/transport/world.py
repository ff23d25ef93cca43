"""Real use cases over fakes, for both skins."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from maskgate.adapters.admissions import CountedAdmissions, CountedEmbeddings
from maskgate.adapters.pillow import PillowImageDecoder, PillowMaskEncoder, PillowMaskReader
from maskgate.adapters.timed import TimedOffload
from maskgate.bootstrap.tenants import Tenants
from maskgate.bootstrap.usecases import Ports, create_embed, create_usecases, image_limits
from maskgate.settings import Settings
from maskgate.telemetry import Metrics
from maskgate.transport.calls import CallObserver
from maskgate.transport.health import Health
from maskgate.transport.streams import METHOD, Streams
from maskgate.usecases.embed_image import EmbeddingTiers
from tests.fakes import (
    CALL,
    SPEC,
    FailingStore,
    FakeBackend,
    FakeCache,
    FakeCopies,
    FakeDeletions,
    FakeFetcher,
    FakeLocks,
    FakeMasks,
    FakeNotes,
    FakeShelf,
    FakeStore,
    inline,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from maskgate.domain.call import Call
    from maskgate.domain.url import AllowedHosts
    from maskgate.ports import Offload
    from maskgate.usecases.segment_stream import SegmentStream, StreamAnswer

_LIMITS: dict[str, Any] = {"max_upload_bytes": 20_000, "max_image_pixels": 10_000, "max_image_side": 1000}
SETTINGS = Settings(models=(SPEC.name,), **_LIMITS)


@dataclass
class World:
    """What stands behind the skins.

    Attributes:
        max_seconds: The deadline of calls that bring none, and of each prompt of a stream.
        decodes, waiting: Places in the mask decoder and in front of it.
        calls: Calls at once.
        tenants: Who is told apart; nobody.
        models: Those that clients may ask for.
        most_streams: Streams at once.
        idle_seconds: How long a stream's client may be silent.
        places: How many embeddings the gateway is said to have room for.
        hosts: By which names REST may be asked; by any.
        generating: What generations compute on.
    """

    backend: FakeBackend = field(default_factory=FakeBackend)
    store: FakeStore | FailingStore = field(default_factory=FakeStore)
    masks: FakeMasks = field(default_factory=FakeMasks)
    max_seconds: float = 10.0
    decodes: int = 8
    waiting: int = 8
    calls: int = 100
    tenants: Tenants = field(default_factory=Tenants)
    models: tuple[str, ...] = (SPEC.name,)
    most_streams: int = 4
    idle_seconds: float = 10.0
    places: int = 8
    hosts: AllowedHosts | None = None
    generating: Offload = inline

    def __post_init__(self) -> None:
        self.fetcher = FakeFetcher()
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.health = Health()
        settings = SETTINGS.model_copy(
            update={
                "decode_concurrency": self.decodes,
                "decode_waiting": self.waiting,
                "models": self.models,
                "request_timeout_seconds": self.max_seconds,
            }
        )
        self.cache = FakeCache(self.store if isinstance(self.store, FakeStore) else None)
        self.shelf = FakeShelf()
        ports = Ports(
            tiers=EmbeddingTiers(self.shelf, self.cache, FakeLocks(self.cache)),
            store=self.store,
            copies=FakeCopies(),
            deletions=FakeDeletions(),
            fetcher=self.fetcher,
            decoder=PillowImageDecoder(limits=image_limits(settings), offload=inline),
            backend=self.backend,
            offload=inline,
            rendering=TimedOffload(inline, seconds=self.metrics.renders.seconds),
            generating=self.generating,
            finishing=TimedOffload(self.generating, seconds=self.metrics.renders.seconds),
            mask_encoder=PillowMaskEncoder(),
            mask_reader=PillowMaskReader(),
            masks=self.masks,
            notes=FakeNotes(),
            admissions=CountedAdmissions(self.metrics.admissions),
            embeddings=CountedEmbeddings(self.metrics.embeddings),
            places=self.places,
            tenants=self.tenants,
        )
        self.usecases = create_usecases(settings, ports, create_embed(settings, ports))
        self.overheard = Overheard(self.usecases.segment_stream)
        self.streams = Streams(
            self.overheard,  # type: ignore[arg-type] # called alike
            metrics=self.metrics.streams,
            max_streams=self.most_streams,
            idle_seconds=self.idle_seconds,
        )
        self.observer = CallObserver(
            self.metrics.calls,
            authenticate=self.usecases.authenticate_caller,
            charge=self.usecases.charge_tenant,
            max_seconds=self.max_seconds,
            max_calls=self.calls,
            method_seconds={METHOD: inf},
        )

    def counted(self, protocol: str, code: str) -> float:
        """How many calls of any method were counted."""
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "maskgate_requests_total"
            and (protocol, code) == (sample.labels["protocol"], sample.labels["code"])
        )

    def answered(self, protocol: str, method: str, code: str) -> float:
        """How many calls were counted."""
        labels = {"protocol": protocol, "method": method, "code": code}
        return self.registry.get_sample_value("maskgate_requests_total", labels) or 0.0

    def in_flight(self, protocol: str) -> float:
        """How many calls are being answered."""
        return self.registry.get_sample_value("maskgate_requests_in_flight", {"protocol": protocol}) or 0.0

    def refused(self, tier: str, reason: str) -> float | None:
        """How many calls were refused a place."""
        return self.registry.get_sample_value("maskgate_rejections_total", {"tier": tier, "reason": reason})

    def streamed(self, result: str) -> float:
        """How many prompts of streams were counted."""
        return self.registry.get_sample_value("maskgate_stream_prompts_total", {"result": result}) or 0.0

    async def keep(self, content: bytes) -> str:
        """Upload an image, and tell its identifier."""
        return str((await self.usecases.upload_image(content, call=CALL)).image_id)

    async def until_decodes(self, count: int) -> None:
        """Wait until so many prompts have reached the decoder."""
        async with asyncio.timeout(5):
            while len(self.backend.decodes) < count:  # noqa: ASYNC110 - a list sets no event
                await asyncio.sleep(0.001)

    async def until_heard(self, count: int) -> None:
        """Wait until so many messages of streams have been taken."""
        async with asyncio.timeout(5):
            while self.overheard.messages < count:  # noqa: ASYNC110 - a number sets no event
                await asyncio.sleep(0.001)


class Overheard:
    """Answers streams, and counts their messages once they have been taken."""

    def __init__(self, inner: SegmentStream) -> None:
        self._inner = inner
        self.messages = 0

    def __call__(self, messages: AsyncIterator[Any], *, call: Call) -> AsyncGenerator[StreamAnswer, None]:
        return self._inner(self._counted(messages), call=call)

    async def _counted(self, messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for message in messages:
            yield message
            self.messages += 1
