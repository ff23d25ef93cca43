from __future__ import annotations

from functools import cache

import pytest

from benchmarks.capacity.day.lines import encode_all
from benchmarks.capacity.day.lookups import Lookups, look_up
from benchmarks.capacity.day.story import Outage, Story
from benchmarks.capacity.day.telling import Day, check_day
from maskgate.capacity import plan, read_scenario

NEVER = Outage(99, 100)
SHARE = 20


@cache
def story(zone: Outage = NEVER, redis: Outage = NEVER) -> Story:
    """A day of a small fleet, of which little is looked at."""
    demand = {"images_per_day": 200_000, "clicks_per_image": 20}
    caches = {"redis_bytes": 25e9, "l1_bytes": 2e8, "mask_bytes": 0, "gateways_per_image": 3}
    work = {"click_ms": 200, "encode_ms": 200}
    targets = {"click_wait_ms": 1000}
    sections = {"demand": demand, "caches": caches, "work": work, "targets": targets}
    return Story(plan(read_scenario(sections)), zone, redis)


@cache
def lookups(zone: Outage = NEVER, redis: Outage = NEVER) -> Lookups:
    return look_up(story(zone, redis), share=SHARE, seed=1)


def test_a_seed_is_a_day() -> None:
    """The same seed is the same day, click for click."""
    again = look_up(story(), share=SHARE, seed=1)

    assert lookups().l1.tolist() == again.l1.tolist()
    assert lookups().missed.tolist() == again.missed.tolist()


def test_a_sample_stands_for_all() -> None:
    """Clicks of the sample, times its share, are the day's; they come as its curve has it."""
    clicks = lookups().clicks

    assert 4_000_000 == pytest.approx(clicks.sum() * SHARE, rel=0.05)
    assert clicks[14 * 12 : 17 * 12].sum() > 4 * clicks[2 * 12 : 5 * 12].sum()


def test_a_zone_that_fails_takes_its_l1_along() -> None:
    """While a zone is away fewer clicks find their embedding in L1, and Redis has them."""
    outage = Outage(14, 16)
    slots = slice(14 * 12, 16 * 12)
    calm, failing = lookups(), lookups(zone=outage)

    assert failing.l1[slots].sum() < 0.95 * calm.l1[slots].sum()
    assert failing.redis[slots].sum() > calm.redis[slots].sum()


def test_without_redis_gateways_encode_again() -> None:
    """While Redis is away nothing is found there, and far more is to be encoded."""
    outage = Outage(14, 15)
    slots = slice(14 * 12, 15 * 12)

    assert 0 == lookups(redis=outage).redis[slots].sum()
    assert lookups(redis=outage).missed[slots].sum() > 3 * lookups().missed[slots].sum()


def test_encoders_do_what_is_asked() -> None:
    """Without outages nobody gives up, and encoders are as busy as their work makes them."""
    encoding = encode_all(story(), lookups(), seed=1)
    encoders = story().plan.peak.encoders

    assert 0 == encoding.given_up.sum()
    assert encoding.asked.sum() * encoders.load.service.seconds == pytest.approx(
        encoding.busy.sum() * 300 * encoders.replicas, rel=0.02
    )


def test_who_waits_too_long_gives_up() -> None:
    """Where far more is asked than can be encoded the rest gives up, and nobody who is served waited longer."""
    outage = Outage(14, 15)
    encoding = encode_all(story(redis=outage), lookups(redis=outage), seed=1)

    assert encoding.given_up[14 * 12 : 15 * 12].sum() > 0
    assert encoding.wait.max() <= story().patience
    assert 0.95 < encoding.busy[14 * 12 + 6] < 1.05


def test_the_day_is_held_against_the_plan() -> None:
    """Encodes that are given up in a calm hour fail the check that nobody does."""
    outage = Outage(14.5, 15)
    encoding = encode_all(story(outage), lookups(outage), seed=1)
    encoding.given_up[50] = 7
    day = Day(story(outage), lookups(outage), encoding, lookups().clicks * 0.0)

    assert ["a day, undisturbed: encodes given up"] == [
        check.name for check in check_day(day) if check.kind == "at most" and not check.has_passed
    ]
