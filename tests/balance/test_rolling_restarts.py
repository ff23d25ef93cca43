"""Every tier is restarted, one after the other, under fifty clicks a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.balance.conftest import During
    from tests.balance.site import Site

MOST_BY_MEDIAN = 5.0


@pytest.mark.parametrize("tier", ["gateways", "tritons", "valkey"])
def test_a_rolling_restart(site: Site, during: During, tier: str) -> None:
    """No click fails, and the slowest hundredth takes no more than five times as long as the median."""
    with during(f"{tier} restarted") as clicks:
        getattr(site, f"restart_{tier}")()

    assert {} == clicks.failed
    p50, p99 = clicks.quantile(0.5), clicks.quantile(0.99)
    assert p99 <= MOST_BY_MEDIAN * p50
