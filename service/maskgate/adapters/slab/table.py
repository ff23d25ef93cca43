"""Which embedding lies in which slot, and who is using it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from maskgate.domain.eviction import S3Fifo

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_K = TypeVar("_K", bound="Hashable")


@dataclass(slots=True)
class Slot:
    """A place for one embedding.

    Attributes:
        index: Which of the slots it is.
        generation: How many embeddings have been given it.
        pins: How many are using what lies in it.
    """

    index: int
    generation: int = 0
    pins: int = 0


class SlotTable(Generic[_K]):
    """Gives slots to keys, and takes them away again where nobody is using them.

    Args:
        slots: How many there are, at least one.
        open_slot: Called with the index of a slot before it is first given away; False where there is no room for it
            now, and then it is called again for the next key.
        evicted: Called whenever a key has lost its slot.
    """

    def __init__(self, slots: int, *, open_slot: Callable[[int], bool], evicted: Callable[[], object]) -> None:
        self._limit = slots
        self._open_slot = open_slot
        self._evicted_one = evicted
        self._slots: list[Slot] = []
        self._by_key: dict[_K, Slot] = {}
        self._dropped: list[Slot] = []  # without a key; some may still be used
        self._order: S3Fifo[_K] = S3Fifo()

    @property
    def limit(self) -> int:
        """How many slots there can be."""
        return self._limit

    @property
    def used(self) -> int:
        """How many slots hold an embedding."""
        return len(self._by_key)

    @property
    def kept(self) -> int:
        """How many slots hold an embedding that nobody is using now."""
        return sum(slot.pins == 0 for slot in self._by_key.values())

    @property
    def held(self) -> int:
        """How many slots somebody is using now."""
        return sum(slot.pins > 0 for slot in self._slots)

    def find(self, key: _K) -> Slot | None:
        """Return a key's slot; no use of it."""
        return self._by_key.get(key)

    def use(self, key: _K) -> Slot | None:
        """Return a key's slot, and count this as a use."""
        slot = self._by_key.get(key)
        if slot is not None:
            self._order.use(key)
        return slot

    def give(self, key: _K) -> Slot | None:
        """Give a key that has none a slot that nobody uses, in its next generation; None while all are used."""
        slot = self._vacated() or self._new() or self._evicted()
        if slot is not None:
            slot.generation += 1
            self._by_key[key] = slot
            self._order.add(key)
        return slot

    def drop(self, unwanted: Callable[[_K], bool]) -> None:
        """Take the slots of some keys away. One that is being used stays as it is until nobody does."""
        for key in [key for key in self._by_key if unwanted(key)]:
            self._order.discard(key)
            self._dropped.append(self._by_key.pop(key))

    def is_current(self, index: int, generation: int) -> bool:
        """Say whether a slot still holds what it held then."""
        return index < len(self._slots) and self._slots[index].generation == generation

    def _vacated(self) -> Slot | None:
        slot = next((slot for slot in self._dropped if slot.pins == 0), None)
        if slot is not None:
            self._dropped.remove(slot)
        return slot

    def _new(self) -> Slot | None:
        if len(self._slots) >= self._limit:
            return None
        if not self._open_slot(len(self._slots)):
            return None
        self._slots.append(Slot(len(self._slots)))
        return self._slots[-1]

    def _evicted(self) -> Slot | None:
        victim = self._order.evict(spare=lambda key: self._by_key[key].pins > 0)
        if victim is None:
            return None
        self._evicted_one()
        return self._by_key.pop(victim)
