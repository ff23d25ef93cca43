from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from maskgate.adapters.memory import MemoryShelf
from maskgate.adapters.slab import SlabShelf
from maskgate.adapters.triton import CountedTriton
from maskgate.adapters.triton.watching import Registration, Way
from maskgate.bootstrap.shelf import open_shelf
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.image import ImageId
from maskgate.settings import Settings
from maskgate.telemetry import Metrics
from tests.fakes import SIZE, SPEC

FOLDER = Path("/dev/shm")
KEYS = [EmbeddingKey.of(ImageId.of(bytes([number])), SPEC) for number in range(4)]
EMBEDDING = Embedding(SIZE, bytes(SPEC.embedding_bytes))


class Opened:
    """Settings for two small slots under a prefix of its own, and metrics."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - settings
        self.prefix = f"test-{secrets.token_hex(4)}"
        given = {"embedding_slot_bytes": 4096, "embedding_memory_bytes": 8192} | given
        self.settings = Settings(shared_memory_prefix=self.prefix, **given)
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)

    def files(self) -> list[str]:
        return [path.name for path in FOLDER.glob(f"{self.prefix}*")]

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"maskgate_{name}", labels)


def test_shared_memory_is_the_default() -> None:
    """L1 is a slab in a file of the prefix, which is gone afterwards; what is in it is told."""
    opened = Opened()
    with open_shelf(opened.settings, opened.metrics) as shelf:
        for key in KEYS[:3]:
            shelf.embeddings.keep(key, EMBEDDING).release()
        with shelf.embeddings.keep(KEYS[3], EMBEDDING):
            slots = {state: opened.sample("slab_slots", state=state) for state in ("free", "kept", "held")}
        files = opened.files()
        kept = opened.sample("embedding_cache_bytes")

    assert isinstance(shelf.embeddings, SlabShelf)
    assert shelf.region is not None
    assert [shelf.region.name] == files
    assert {"free": 0, "kept": 1, "held": 1} == slots
    assert (8192, 2) == (kept, opened.sample("slab_evictions_total"))
    assert [] == opened.files()


def test_shared_memory_can_be_switched_off() -> None:
    """L1 is then the memory of the process, and there is nothing to tell Triton of."""
    opened = Opened(shared_memory="off")
    with open_shelf(opened.settings, opened.metrics) as shelf:
        files = opened.files()

    assert isinstance(shelf.embeddings, MemoryShelf)
    assert (None, []) == (shelf.region, files)


def test_without_room_memory_of_the_process_does() -> None:
    """A machine that has no room for one embedding in shared memory still has an L1."""
    opened = Opened(embedding_memory_bytes=4096, embedding_slot_bytes=8192)
    with open_shelf(opened.settings, opened.metrics) as shelf:
        shelf.embeddings.keep(KEYS[0], EMBEDDING).release()
        found = shelf.embeddings.hold(KEYS[0])

    assert found is not None
    assert None is shelf.region
    assert [] == opened.files()


def test_starting_clears_up_after_the_dead() -> None:
    """A gateway deletes what one that was killed has left under its prefix."""
    opened = Opened()
    dead = FOLDER / f"{opened.prefix}-slab-0123456789abcdef"
    dead.write_bytes(bytes(10))

    with open_shelf(opened.settings, opened.metrics) as shelf:
        assert shelf.region is not None
        assert [shelf.region.name] == opened.files()


def test_what_goes_to_triton_is_counted() -> None:
    """Bytes by the way of the embedding, registrations by result, faults; all are exposed from the start."""
    opened = Opened()
    counted = CountedTriton(opened.metrics.inference, opened.metrics.slab)
    counted.sent("decode", Way.SHARED, 600)
    counted.sent("decode", Way.SHARED, 500)
    counted.registered(Registration.REFUSED)
    counted.stale()

    assert {"shared": 1100, "inline": 0} == {
        way: opened.sample("inference_sent_bytes_total", stage="decode", way=way) for way in ("shared", "inline")
    }
    assert {"done": 0, "refused": 1, "away": 0} == {
        result: opened.sample("slab_registrations_total", result=result) for result in ("done", "refused", "away")
    }
    assert 1 == opened.sample("slab_generation_errors_total")
