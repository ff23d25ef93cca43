from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskgate.domain.bucket import Bucket

FULL = Bucket.full(10, 2, at=0)  # five a second


def test_a_full_bucket_holds_its_limit() -> None:
    """All of the limit can be taken at once, and then nothing before some has grown."""
    empty = FULL.without(10)

    assert (0, 0.2, 2) == (FULL.wait(10), empty.wait(1), empty.wait(10))


def test_it_fills_evenly_up_to_its_limit() -> None:
    """What is not used is saved up for the bucket's time at most."""
    empty = FULL.without(10)

    assert [0, 5, 10, 10] == [empty.after(now).left for now in (0, 1, 2, 100)]


def test_a_clock_that_goes_back_takes_nothing() -> None:
    """A moment that lies before the last one is that one."""
    assert FULL.without(4).left == FULL.without(4).after(-5).left


def test_more_than_it_holds() -> None:
    """An amount above the limit is had from a full bucket alone, and made up for afterwards."""
    indebted = FULL.without(25)

    assert (0, 0.4) == (FULL.wait(25), FULL.without(2).wait(25))
    assert pytest.approx(3.2) == indebted.wait(1)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 30)), max_size=60))
def test_nobody_gets_more_than_the_limit_allows(asked: list[tuple[float, float]]) -> None:
    """Whatever is asked for and when, what was had is at most the first fill, what has grown since, and one debt."""
    bucket, now, had, largest = FULL, 0.0, 0.0, 0.0
    for pause, amount in asked:
        now += pause
        bucket = bucket.after(now)
        if bucket.wait(amount) == 0:
            bucket, had, largest = bucket.without(amount), had + amount, max(largest, amount)

    assert had <= 10 + 5 * now + max(0, largest - 10) + 1e-6


@given(st.floats(0, 50), st.floats(0.01, 30))
def test_who_has_waited_is_served(taken: float, amount: float) -> None:
    """After the time that was told the amount can be had."""
    bucket = FULL.without(taken)

    assert pytest.approx(0, abs=1e-9) == bucket.after(bucket.wait(amount)).wait(amount)
