from __future__ import annotations

from collections import OrderedDict
from math import inf

import numpy as np
import pytest

from maskgate.capacity import Passing, Popularity, Standing, hit_ratio, lifetime


def lru_hit_ratio(requests: list[int], places: int, *, warm: int) -> float:
    """What a real LRU cache comes to; the first requests fill it and do not count."""
    cache: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for number, image in enumerate(requests):
        if image in cache:
            cache.move_to_end(image)
            hits += number >= warm
            continue
        cache[image] = None
        if len(cache) > places:
            cache.popitem(last=False)
    return hits / (len(requests) - warm)


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.2])
@pytest.mark.parametrize("places", [20, 200])
def test_che_is_as_an_lru_cache(exponent: float, places: int) -> None:
    """Of images that are always clicked on, Che's approximation finds as many in the cache as are there, to 1 %."""
    images, count = 2000, 60_000
    popularity = Popularity.zipf(images, exponent=exponent, clicks=1.0)
    shares = np.repeat(popularity.clicks, popularity.images.astype(int))
    chance = np.random.default_rng(7)
    requests = chance.choice(images, count, p=shares / shares.sum()).tolist()

    assert lru_hit_ratio(requests, places, warm=10_000) == pytest.approx(
        hit_ratio(Standing(popularity), places), abs=0.01
    )


@pytest.mark.parametrize("places", [30, 300, 3000])
def test_images_that_pass_are_as_in_an_lru_cache(places: int) -> None:
    """Of images that come, are clicked on for a while, and are left, the same holds; first clicks count as misses."""
    births, seconds, chance = 1.0, 600.0, np.random.default_rng(3)
    popularity = Popularity.zipf(1000, exponent=0.8, clicks=1000 * 12.0)
    traffic = Passing(births, popularity, seconds)
    each = np.repeat(popularity.clicks, popularity.images.astype(int))
    times, images = [], []
    for number, born in enumerate(np.sort(chance.uniform(0, 8000, 8000))):
        clicks = chance.poisson(chance.choice(each))
        times.append(born + chance.uniform(0, seconds, clicks))
        images.append(np.full(clicks, number))
    order = np.argsort(np.concatenate(times))

    seen = lru_hit_ratio(np.concatenate(images)[order].tolist(), places, warm=30_000)

    assert seen == pytest.approx(hit_ratio(traffic, places), abs=0.015)


def test_a_first_click_always_misses() -> None:
    """A cache without bounds misses each image once, if it is clicked on at all."""
    traffic = Passing(2.0, Popularity.zipf(10, exponent=0, clicks=10 * 50.0), seconds=100.0)

    assert 2.0 == pytest.approx(traffic.misses(1e9))
    assert 1 - 1 / 50 == pytest.approx(hit_ratio(traffic, places=1e15))


def test_everything_misses_without_a_cache() -> None:
    """Things that are kept for no time at all are never found."""
    traffic = Passing(2.0, Popularity.zipf(10, exponent=1, clicks=100.0), seconds=100.0)

    assert traffic.requests == pytest.approx(traffic.misses(1e-9))
    assert 0.0 == pytest.approx(traffic.held(1e-9), abs=1e-6)


def test_things_are_held_while_and_after_they_are_asked_for() -> None:
    """An image that is always clicked on is there for the time of its clicks and a lifetime more (Little's law)."""
    traffic = Passing(3.0, Popularity.zipf(1, exponent=0, clicks=1e9), seconds=100.0)

    assert (300.0 + 3 * 20, 300.0 + 3 * 500) == pytest.approx((traffic.held(20.0), traffic.held(500.0)))


def test_spreading_clicks_makes_each_cache_poorer() -> None:
    """All caches together see all clicks; where each image's go to more of them, fewer are hits."""
    traffic = Passing(2.0, Popularity.zipf(10, exponent=0.5, clicks=100.0), seconds=100.0)
    ratios = []
    for ways in (1, 3, 10):
        one = traffic.spread_over(10, ways=ways)
        assert traffic.requests == pytest.approx(10 * one.requests)
        ratios.append(hit_ratio(one, places=5))

    assert sorted(ratios, reverse=True) == ratios
    assert ratios[0] > ratios[-1]


def test_a_cache_with_room_for_all_keeps_things_for_ever() -> None:
    """The lifetime has no end where everything fits in."""
    assert inf == lifetime(lambda _: 5.0, room=6.0)
    assert 6.0 == pytest.approx(lifetime(lambda seconds: seconds, room=6.0))
