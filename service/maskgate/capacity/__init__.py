"""How much of everything a load needs: formulas from demand, caches and measured service times to replicas and cost.

Arithmetic alone, with the standard library and numpy: nothing here serves, measures or draws. docs/capacity.md has the
formulas with their sources; benchmarks/capacity simulates what they say, and compares.
"""

from maskgate.capacity.caching import Passing, Standing, Traffic, hit_ratio, lifetime
from maskgate.capacity.plan import Hour, Plan, plan
from maskgate.capacity.popularity import Popularity
from maskgate.capacity.queueing import Aim, Queue, Service, erlang_b, erlang_c
from maskgate.capacity.reading import BadScenario, read_scenario
from maskgate.capacity.scenario import Caches, Demand, Prices, Scenario, Targets, Work
from maskgate.capacity.tiers import Tier

__all__ = [
    "Aim",
    "BadScenario",
    "Caches",
    "Demand",
    "Hour",
    "Passing",
    "Plan",
    "Popularity",
    "Prices",
    "Queue",
    "Scenario",
    "Service",
    "Standing",
    "Targets",
    "Tier",
    "Traffic",
    "Work",
    "erlang_b",
    "erlang_c",
    "hit_ratio",
    "lifetime",
    "plan",
    "read_scenario",
]
