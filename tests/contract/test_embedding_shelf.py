"""What EmbeddingShelf promises, asked of every adapter, and of the fake that stands in for them elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.memory import MemoryShelf
from maskgate.adapters.slab import SlabShelf
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.image import ImageId, ImageSize
from tests.fakes import SPEC, FakeShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.ports import EmbeddingShelf

KEY = EmbeddingKey.of(ImageId.of(b"photo"), SPEC)
EMBEDDING = Embedding(ImageSize(640, 427), bytes(range(256)) * 2)
KEYS = [replace(KEY, model=f"model{number}") for number in range(8)]
SLOT = 4096
ROOM = 4  # embeddings, where there is a bound


@pytest.fixture(params=["memory", "slab", "fake"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddingShelf]:
    slab = SlabShelf.create("test", max_bytes=ROOM * SLOT, slot_bytes=SLOT, folder=tmp_path)
    memory = MemoryShelf(max_bytes=ROOM * EMBEDDING.size_bytes)
    yield {"memory": memory, "slab": slab, "fake": FakeShelf()}[request.param]
    slab.close()


def embedding(number: int) -> Embedding:
    return replace(EMBEDDING, tensor=bytes([number]) * EMBEDDING.size_bytes)


def seen(held: HeldEmbedding | None) -> Embedding | None:
    """What somebody who holds an embedding sees."""
    return None if held is None else Embedding(held.original, bytes(held.tensor))


class TestEveryEmbeddingShelf:
    """Holds every adapter to the same behaviour."""

    def test_nothing_is_there_before_it_is_kept(self, shelf: EmbeddingShelf) -> None:
        """An embedding that nobody kept cannot be held."""
        assert shelf.hold(KEY) is None

    def test_what_is_kept_is_held_by_any_number(self, shelf: EmbeddingShelf) -> None:
        """Size and tensor are seen by the one who keeps it, by others meanwhile, and by those who come after."""
        with shelf.keep(KEY, EMBEDDING) as kept, shelf.keep(KEY, EMBEDDING) as again, _held(shelf, KEY) as meanwhile:
            assert [EMBEDDING] * 3 == [seen(kept), seen(again), seen(meanwhile)]
        with _held(shelf, KEY) as after:
            assert EMBEDDING == seen(after)

    def test_keys_do_not_meet(self, shelf: EmbeddingShelf) -> None:
        """Another precision is another embedding."""
        shelf.keep(KEY, EMBEDDING).release()

        assert shelf.hold(replace(KEY, precision="bf16")) is None

    def test_what_is_held_stays_as_it_is(self, shelf: EmbeddingShelf) -> None:
        """However many others are kept meanwhile, whoever holds an embedding sees that one."""
        with shelf.keep(KEY, EMBEDDING) as held:
            for number, key in enumerate(KEYS):
                shelf.keep(key, embedding(number)).release()

            assert EMBEDDING == seen(held)

    def test_what_is_dropped_cannot_be_held_any_more(self, shelf: EmbeddingShelf) -> None:
        """All embeddings of an image are forgotten, whatever model made them, and none of another image."""
        other = EmbeddingKey.of(ImageId.of(b"another photo"), SPEC)
        for key in (KEY, KEYS[0], other):
            shelf.keep(key, EMBEDDING).release()

        shelf.drop(KEY.image_id)

        assert [None, None, EMBEDDING] == [seen(shelf.hold(key)) for key in (KEY, KEYS[0], other)]

    def test_what_is_dropped_stays_for_those_who_hold_it(self, shelf: EmbeddingShelf) -> None:
        """Whoever holds an embedding that is dropped sees it to the end, also when the same one is kept again."""
        with shelf.keep(KEY, EMBEDDING) as held:
            shelf.drop(KEY.image_id)
            for number, key in enumerate(KEYS):
                shelf.keep(key, embedding(number)).release()
            shelf.keep(KEY, EMBEDDING).release()

            assert EMBEDDING == seen(held)

    def test_dropping_what_is_not_there(self, shelf: EmbeddingShelf) -> None:
        """It changes nothing, and what was dropped can be kept again."""
        shelf.drop(KEY.image_id)
        shelf.keep(KEY, EMBEDDING).release()
        shelf.drop(KEY.image_id)
        shelf.drop(KEY.image_id)
        shelf.keep(KEY, EMBEDDING).release()

        assert EMBEDDING == seen(shelf.hold(KEY))

    def test_there_is_always_something_to_hold(self, shelf: EmbeddingShelf) -> None:
        """While all room is taken by what is held, further ones can be held all the same."""
        holders = [shelf.keep(key, embedding(number)) for number, key in enumerate(KEYS)]

        assert [embedding(number) for number in range(len(KEYS))] == [seen(held) for held in holders]
        for held in holders:
            held.release()


def _held(shelf: EmbeddingShelf, key: EmbeddingKey) -> HeldEmbedding:
    held = shelf.hold(key)
    assert held is not None
    return held


def test_memory_is_bounded() -> None:
    """An embedding that is larger than all room is held and not kept."""
    shelf = MemoryShelf(max_bytes=EMBEDDING.size_bytes - 1)

    with shelf.keep(KEY, EMBEDDING) as held:
        assert EMBEDDING == seen(held)

    assert (None, 0) == (shelf.hold(KEY), shelf.size_bytes)
