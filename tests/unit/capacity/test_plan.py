from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from maskgate.capacity import BadScenario, Plan, Scenario, plan, read_scenario

if TYPE_CHECKING:
    from collections.abc import Mapping

SMALL: dict[str, dict[str, float]] = {
    "demand": {"images_per_day": 200_000},
    "caches": {"redis_bytes": 40e9, "l1_bytes": 1e9},
}


def planned(**sections: Mapping[str, float]) -> Plan:
    """A plan for a fiftieth of the default's demand, changed."""
    names = SMALL.keys() | sections.keys()
    return plan(read_scenario({name: {**SMALL.get(name, {}), **sections.get(name, {})} for name in names}))


def test_every_click_is_found_somewhere() -> None:
    """Clicks from L1, from Redis and from the encoder are all clicks, and each image is encoded at least once."""
    found = planned().peak.embeddings

    assert found.clicks == pytest.approx(found.from_l1 + found.from_redis + found.encodes)
    assert found.encodes >= 200_000 / 86400 * 1.8 * 0.999


def test_a_tier_meets_its_aims_without_a_zone() -> None:
    """What is left of a tier when a zone has failed waits no longer than is aimed at, and is not too busy."""
    peak = planned().peak
    for tier in (peak.gateways, peak.decoders, peak.encoders):
        left = tier.line(tier.replicas * 2 // 3)
        assert left.meets(tier.load.aim)
        assert left.utilisation <= 0.8
        assert 0 == tier.replicas % 3


def test_redis_is_full_and_no_fuller() -> None:
    """Things stay in Redis for as long as they fit in, masks included."""
    found = planned().peak.embeddings

    assert 40e9 == pytest.approx(found.redis_bytes, rel=1e-6)
    assert found.of_masks == pytest.approx(found.clicks * min(found.redis_seconds, 600) * 30e3)


def test_redis_keeps_nothing_beyond_its_time() -> None:
    """With room for everything, the times to live say what is there."""
    found = planned(caches={"redis_bytes": 1e18, "embedding_ttl_hours": 1, "image_ttl_hours": 2}).peak.embeddings

    assert 2 * 3600 == found.redis_seconds
    assert found.redis_bytes < 1e13


def test_without_redis_gateways_encode_for_themselves() -> None:
    """What L1 does not find is encoded, nothing goes to Redis, and nothing is paid for it."""
    without = planned(caches={"redis_bytes": 0})
    found = without.peak.embeddings

    assert (0.0, 0.0, 0.0) == (found.from_redis, found.redis_bytes, without.redis_network)
    assert found.encodes == found.encodes_alone
    assert 0 == without.cost_of_day(scales=True)["Redis"]


def test_more_redis_is_less_to_encode() -> None:
    """Encodes fall, and never below one an image, while Redis grows."""
    encodes = [planned(caches={"redis_bytes": size}).peak.embeddings.encodes for size in (1e9, 1e10, 1e11, 1e12)]

    assert sorted(encodes, reverse=True) == encodes
    assert encodes[0] > 2 * encodes[-1]


def test_the_cost_is_that_of_its_parts() -> None:
    """A million segments cost their share of the day, and each part is its amount times its price."""
    at_peak = planned(prices={"gpu_hour": 3.0, "core_hour": 0.5})
    parts = at_peak.cost_of_day(scales=False)

    assert 24 * 3.0 * at_peak.gpus == pytest.approx(parts["GPUs"])
    assert 24 * 0.5 * at_peak.cores == pytest.approx(parts["cores"])
    assert sum(parts.values()) / 10 == pytest.approx(at_peak.cost_per_million(scales=False))


def test_following_the_hours_is_cheaper() -> None:
    """Replicas that scale cost less than those of the peak all day, and as much where every hour is the same."""
    swinging, even = planned(), planned(demand={"peak": 1})

    assert swinging.cost_per_million(scales=True) < swinging.cost_per_million(scales=False)
    assert even.cost_per_million(scales=True) == pytest.approx(even.cost_per_million(scales=False))


def test_gateways_are_the_fewest_for_their_l1() -> None:
    """So many gateways do the work that is left with the L1 that they bring; three less would not."""
    hour = planned().peak

    assert hour.gateways.least * 3 / 2 <= hour.gateways.replicas
    assert hour.gateways.replicas < hour.gateways.least * 3 / 2 + 3


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"nothing": {}}, "no section 'nothing'"),
        ({"demand": 3}, "'demand' is a section"),
        ({"demand": {"cliks": 3}}, "no 'demand.cliks'"),
        ({"demand": {"zipf": "1"}}, "'demand.zipf' is a number"),
        ({"demand": {"zipf": True}}, "'demand.zipf' is a number"),
        ({"demand": {"zipf": float("nan")}}, "'demand.zipf' is a number"),
        ({"demand": {"peak": 3}}, "'demand.peak' is 3; it is at least 1, at most 1.95"),
        ({"prices": {"gpu_hour": -1}}, "'prices.gpu_hour' is -1; it is at least 0"),
        ({"targets": {"zones": 2.5}}, "'targets.zones' is a whole number"),
        ({"targets": {"zones": 1}}, "leaves no zone"),
    ],
)
def test_what_makes_no_sense_is_named(sections: Any, said: str) -> None:  # noqa: ANN401 - as a file may have it
    """A scenario that cannot be is refused with the key that is at fault."""
    with pytest.raises(BadScenario, match=said):
        read_scenario(sections)


def test_what_is_not_said_stays() -> None:
    """An empty file is the default, and one change changes one number."""
    assert Scenario() == read_scenario({})
    changed = read_scenario({"targets": {"zones": 4.0}})
    assert (4, int, Scenario().demand) == (changed.targets.zones, type(changed.targets.zones), changed.demand)


BOUNDED = ["images_per_day", "clicks_per_image", "zipf", "clicked_for_hours", "peak"]


@pytest.mark.parametrize("end", ["least", "most"])
@pytest.mark.parametrize("key", [*(f"demand.{key}" for key in BOUNDED), "caches.l1_bytes", "caches.redis_bytes"])
def test_whatever_is_allowed_has_a_plan(key: str, end: str) -> None:
    """The bounds of a number are those within which there is a plan, with a cost that is a number."""
    section, _, name = key.partition(".")
    bound = getattr(Scenario(), section).__dataclass_fields__[name].metadata[end]

    cost = planned(**{section: {name: min(bound, 1e18)}}).cost_per_million(scales=True)

    assert 0 < cost < inf
