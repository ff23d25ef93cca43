from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maskgate.adapters.memory import BoundedLru

KEYS = st.sampled_from("abcdef")


def create(max_bytes: int) -> BoundedLru[bytes]:
    return BoundedLru(max_bytes=max_bytes, size_of=len)


def test_what_was_used_longest_ago_is_forgotten() -> None:
    """Over the bound the entry goes whose last use lies furthest back; looking it up is a use."""
    lru = create(3)
    for key in "abc":
        lru.put(key, b"1")
    lru.get("a")

    lru.put("d", b"1")

    assert [b"1", None, b"1", b"1"] == [lru.get(key) for key in "abcd"]


def test_one_large_entry_takes_the_place_of_several() -> None:
    """As many go as it takes, and no more."""
    lru = create(4)
    for key in "abcd":
        lru.put(key, b"1")

    lru.put("e", b"22")

    assert [None, None, b"1", b"1", b"22"] == [lru.get(key) for key in "abcde"]


def test_an_entry_over_the_bound_is_not_remembered() -> None:
    """What alone would be too much does not drive out the others, but does replace its own old value."""
    lru = create(3)
    lru.put("a", b"1")
    lru.put("b", b"1")

    lru.put("b", b"4444")

    assert [b"1", None] == [lru.get(key) for key in "ab"]
    assert lru.size_bytes == 1


def test_a_replaced_entry_is_counted_once() -> None:
    """Putting an entry again counts its new size only."""
    lru = create(10)

    for value in (b"1", b"4444", b"22"):
        lru.put("a", value)

    assert (2, b"22") == (lru.size_bytes, lru.get("a"))


@given(st.lists(st.tuples(KEYS, st.binary(max_size=6))))
def test_the_bound_holds(puts: list[tuple[str, bytes]]) -> None:
    """Whatever is put, the size is that of what is there, and never over the bound."""
    lru = create(10)

    for key, value in puts:
        lru.put(key, value)

    there = [value for value in map(lru.get, "abcdef") if value is not None]
    assert sum(map(len, there)) == lru.size_bytes <= 10


def test_what_nobody_uses_is_forgotten_after_a_while() -> None:
    """An entry lives for its time after its last use, and then makes room when another one comes."""
    now = 0.0
    lru: BoundedLru[bytes] = BoundedLru(max_bytes=10, size_of=len, ttl=10, clock=lambda: now)
    lru.put("a", b"1")
    lru.put("b", b"22")
    now = 9
    lru.get("a")
    now = 10

    there = [lru.get("a"), lru.get("b")]
    lru.put("c", b"333")

    assert [b"1", None] == there
    assert 4 == lru.size_bytes
    now = 20
    assert [None, None] == [lru.get("a"), lru.get("c")]
