from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from maskgate.domain.eviction import S3Fifo

if TYPE_CHECKING:
    from collections.abc import Iterable

CAPACITY = 10
KEYS = st.integers(0, 25)


class Cache:
    """Keys that are there, and how often one was; what is over the capacity is forgotten."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.order: S3Fifo[object] = S3Fifo()
        self.pinned: set[object] = set()

    def ask(self, key: object) -> bool:
        if key in set(self.order):
            self.order.use(key)
            return True
        if len(self.order) < self.capacity or self.order.evict(spare=self.pinned.__contains__) is not None:
            self.order.add(key)
        return False

    def ask_all(self, keys: Iterable[object]) -> int:
        return sum(self.ask(key) for key in keys)


def test_what_nobody_used_again_goes_first() -> None:
    """Of keys that came in, the one that was used twice since stays, although it is the oldest."""
    cache = Cache(3)
    cache.ask_all(["a", "b", "c", "a", "a"])

    assert "b" == cache.order.evict(spare=lambda _: False)


def test_what_comes_back_stays_longer() -> None:
    """A key that was forgotten a moment ago and asked for again outlives those that pass through."""
    cache = Cache()
    cache.ask_all(range(CAPACITY + 1))  # 0 had to go
    cache.ask_all([0, *range(100, 100 + 5 * CAPACITY)])

    assert cache.ask(0)


def test_a_scan_does_not_push_out_what_is_used() -> None:
    """A batch job that sees each of a thousand images once leaves alone the five that somebody clicks on."""
    cache = Cache()
    clicked = list(range(5))
    cache.ask_all(clicked * 3)

    hits = sum(cache.ask_all([scanned, *clicked]) for scanned in range(100, 1100))

    assert 5 * 1000 == hits


def test_popular_keys_are_hit_more_often_than_with_lru() -> None:
    """On a popularity like that of words or web pages (Zipf) it hits as often as LRU does at the least."""
    numbers = random.Random(4)  # noqa: S311 - not for secrets
    keys = numbers.choices(range(400), weights=[1 / (rank + 1) for rank in range(400)], k=20_000)
    recent: dict[int, None] = {}
    lru_hits = 0
    for key in keys:
        lru_hits += key in recent
        recent.pop(key, None)
        recent[key] = None
        if len(recent) > 40:
            del recent[next(iter(recent))]

    assert Cache(40).ask_all(keys) >= lru_hits


@given(st.lists(st.one_of(KEYS, st.tuples(st.sampled_from(["pin", "unpin"]), KEYS))), st.integers(1, 12))
def test_the_bound_holds_and_pinned_keys_stay(steps: list[int | tuple[str, int]], capacity: int) -> None:
    """Whatever happens, there are no more keys than there is room for, and none that is pinned is forgotten."""
    cache = Cache(capacity)

    for step in steps:
        match step:
            case ("pin", key) if key in set(cache.order):
                cache.pinned.add(key)
            case ("unpin", key):
                cache.pinned.discard(key)
            case int():
                cache.ask(step)

        assert len(cache.order) == len(set(cache.order)) <= capacity
        assert cache.pinned <= set(cache.order)


@given(st.lists(KEYS), st.sets(KEYS))
def test_there_is_always_a_victim_unless_all_are_spared(asked: list[int], spared: set[int]) -> None:
    """Evicting ends, and fails only when nothing may go."""
    cache = Cache()
    cache.ask_all(asked)
    there = set(cache.order)

    victim = cache.order.evict(spare=spared.__contains__)

    assert (victim is None) == (there <= spared)
    assert victim is None or victim in there - spared
    assert set(cache.order) == there - {victim}
