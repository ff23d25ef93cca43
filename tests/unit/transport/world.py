"""Real use cases over fakes, for both skins."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from maskgate.adapters.pillow import PillowImageDecoder, PillowMaskEncoder
from maskgate.domain.image import ImageLimits
from maskgate.telemetry import Metrics
from maskgate.transport.calls import CallObserver
from maskgate.transport.health import Health
from maskgate.transport.usecases import UseCases
from maskgate.usecases.admission import Admission
from maskgate.usecases.embed_image import EmbeddingCaches, EmbedImage
from maskgate.usecases.get_image import GetImage
from maskgate.usecases.segment import Segment
from maskgate.usecases.upload_image import UploadImage
from tests.fakes import SPEC, FailingStore, FakeBackend, FakeCache, FakeStore, inline

LIMITS = ImageLimits(max_bytes=20_000, max_pixels=10_000, max_side=1000)


@dataclass
class World:
    """What stands behind the skins.

    Attributes:
        max_seconds: The deadline of calls that bring none.
        decodes, waiting: Places in the mask decoder and in front of it.
        calls: Calls at once.
    """

    backend: FakeBackend = field(default_factory=FakeBackend)
    store: FakeStore | FailingStore = field(default_factory=FakeStore)
    max_seconds: float = 10.0
    decodes: int = 8
    waiting: int = 8
    calls: int = 100

    def __post_init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.health = Health()
        self.observer = CallObserver(self.metrics.calls, max_seconds=self.max_seconds, max_calls=self.calls)
        decoder = PillowImageDecoder(limits=LIMITS, offload=inline)
        embed = EmbedImage(
            caches=EmbeddingCaches(FakeCache(), FakeCache()),
            store=self.store,
            decoder=decoder,
            backend=self.backend,
            admission=Admission(tier="image encoder", concurrency=4, waiting=64),
        )
        segment = Segment(
            embed=embed,
            backend=self.backend,
            admission=Admission(tier="mask decoder", concurrency=self.decodes, waiting=self.waiting),
            offload=inline,
            default_model=SPEC.name,
        )
        upload = UploadImage(
            store=self.store,
            decoder=decoder,
            limits=LIMITS,
            admission=Admission(tier="image store", concurrency=4, waiting=64),
            offload=inline,
        )
        self.usecases = UseCases(upload, GetImage(store=self.store), segment, inline, PillowMaskEncoder())

    def answered(self, protocol: str, method: str, code: str) -> float:
        """How many calls were counted."""
        labels = {"protocol": protocol, "method": method, "code": code}
        return self.registry.get_sample_value("maskgate_requests_total", labels) or 0.0
