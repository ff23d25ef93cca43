"""Real use cases over fakes, for both skins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from maskgate.adapters.admissions import CountedAdmissions
from maskgate.adapters.pillow import PillowImageDecoder, PillowMaskEncoder, PillowMaskReader
from maskgate.bootstrap.usecases import Ports, create_embed, create_usecases, image_limits
from maskgate.settings import Settings
from maskgate.telemetry import Metrics
from maskgate.transport.calls import CallObserver
from maskgate.transport.health import Health
from maskgate.usecases.embed_image import EmbeddingTiers
from tests.fakes import (
    SPEC,
    FailingStore,
    FakeBackend,
    FakeCache,
    FakeCopies,
    FakeDeletions,
    FakeLocks,
    FakeMasks,
    FakeShelf,
    FakeStore,
    inline,
)

_LIMITS: dict[str, Any] = {"max_upload_bytes": 20_000, "max_image_pixels": 10_000, "max_image_side": 1000}
SETTINGS = Settings(models=(SPEC.name,), **_LIMITS)


@dataclass
class World:
    """What stands behind the skins.

    Attributes:
        max_seconds: The deadline of calls that bring none.
        decodes, waiting: Places in the mask decoder and in front of it.
        calls: Calls at once.
        models: Those that clients may ask for.
    """

    backend: FakeBackend = field(default_factory=FakeBackend)
    store: FakeStore | FailingStore = field(default_factory=FakeStore)
    masks: FakeMasks = field(default_factory=FakeMasks)
    max_seconds: float = 10.0
    decodes: int = 8
    waiting: int = 8
    calls: int = 100
    models: tuple[str, ...] = (SPEC.name,)

    def __post_init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.health = Health()
        self.observer = CallObserver(self.metrics.calls, max_seconds=self.max_seconds, max_calls=self.calls)
        settings = SETTINGS.model_copy(
            update={"decode_concurrency": self.decodes, "decode_waiting": self.waiting, "models": self.models}
        )
        cache = FakeCache(self.store if isinstance(self.store, FakeStore) else None)
        ports = Ports(
            tiers=EmbeddingTiers(FakeShelf(), cache, FakeLocks(cache)),
            store=self.store,
            copies=FakeCopies(),
            deletions=FakeDeletions(),
            decoder=PillowImageDecoder(limits=image_limits(settings), offload=inline),
            backend=self.backend,
            offload=inline,
            mask_encoder=PillowMaskEncoder(),
            mask_reader=PillowMaskReader(),
            masks=self.masks,
            admissions=CountedAdmissions(self.metrics.admissions),
        )
        self.usecases = create_usecases(settings, ports, create_embed(settings, ports))

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
