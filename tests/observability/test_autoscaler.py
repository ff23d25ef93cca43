"""The arithmetic that the scaling tests rely on, and what it makes of our figures: slow to shrink, safe when blind."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.observability.autoscaler import Autoscaler, read_tiers, wanted

TIERS = read_tiers()


@pytest.mark.parametrize(
    ("value", "target", "current", "replicas"),
    [
        (200, 100, 1, 2),  # twice the target
        (50, 100, 1, 1),
        (0, 100, 3, 0),  # bounds come later
        (109, 100, 1, 1),  # within the tolerance
        (111, 100, 1, 2),
        (329, 100, 3, 3),  # 1.1 times what three are for
        (331, 100, 3, 4),
        (271, 100, 3, 3),
        (269, 100, 3, 3),  # rounded up
        (199, 100, 3, 2),
        (12, 4, 0, 3),
    ],
)
def test_a_number_asks_for_replicas(value: float, target: float, current: int, replicas: int) -> None:
    """Its share for one replica, rounded up, unless that is within a tenth of what there is."""
    assert replicas == wanted(value, target, current=current)


def quiet(tier: str) -> dict[str, float]:
    return {signal.name: 0.0 for signal in TIERS[tier].signals}


def busy(tier: str, replicas: float) -> dict[str, float]:
    """Signals that ask for so many."""
    return {signal.name: replicas * signal.target for signal in TIERS[tier].signals}


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_grows_within_a_minute_and_shrinks_slowly(tier: str) -> None:
    """Twice as many are there in a minute; when the load is gone nobody goes for minutes, then one after another."""
    scaled = Autoscaler(TIERS[tier], minimum=2, maximum=20, replicas=2)
    grown = [scaled.step(now, busy(tier, 4)) for now in (0, 15, 30, 45, 60)]
    window = TIERS[tier].behavior["scaleDown"]["stabilizationWindowSeconds"]
    shrinking = [scaled.step(now, quiet(tier)) for now in range(75, 75 + 4 * window, 15)]

    assert 4 == grown[-1]
    assert {4} == {*shrinking[: window // 15 - 1]}
    assert {0, 1} == {before - after for before, after in pairwise(shrinking)}
    assert 2 == shrinking[-1]


@pytest.mark.parametrize("tier", TIERS)
def test_a_dip_takes_nobody_away(tier: str) -> None:
    """Load that is gone for two minutes finds all replicas when it comes back."""
    scaled = Autoscaler(TIERS[tier], minimum=1, maximum=20, replicas=6)
    for now in range(0, 60, 15):
        scaled.step(now, busy(tier, 6))

    assert {6} == {scaled.step(now, quiet(tier)) for now in range(60, 180, 15)}
    assert 6 == scaled.step(180, busy(tier, 6))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("replicas", [1, 7])
def test_without_prometheus_nobody_goes(tier: str, replicas: int) -> None:
    """When nobody knows the load there are as many replicas as before, and at least those of the fallback."""
    scaled = Autoscaler(TIERS[tier], minimum=1, maximum=20, replicas=replicas)
    scaled.step(0, busy(tier, replicas))
    blind = [scaled.step(now, None) for now in range(15, 3600, 15)]

    assert replicas == blind[0]
    assert max(replicas, TIERS[tier].fallback["replicas"]) == blind[-1]
    assert blind == sorted(blind)


def test_encoders_go_to_zero_and_come_back() -> None:
    """After a quarter of an hour without an image none runs; one image is enough for the first to start."""
    scaled = Autoscaler(TIERS["encoder"], minimum=0, maximum=8, replicas=1)
    scaled.step(0, busy("encoder", 1))
    idle = {now: scaled.step(now, quiet("encoder")) for now in range(15, 1800, 15)}
    woken = scaled.step(1800, {**quiet("encoder"), "pending-encodes": 0.1})

    assert (1, 0) == (idle[885], idle[1785])
    assert 900 <= min(now for now, replicas in idle.items() if replicas == 0) <= 930
    assert 1 == woken


def test_bounds_hold() -> None:
    """However much is asked for, no more than the most."""
    scaled = Autoscaler(TIERS["gateway"], minimum=2, maximum=5, replicas=2)

    assert 5 == max(scaled.step(now, busy("gateway", 100)) for now in range(0, 600, 15))
