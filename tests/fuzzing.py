"""How much fuzzing is done: in every run the same little, and more for who asks for it.

`pytest … --hypothesis-profile=long` goes on with other examples each time; the profile is registered in conftest.py.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

LONG = "long"
_MANY = 10_000
_SLOW_TO_DRAW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def register() -> None:
    """Let people name the long run."""
    settings.register_profile(LONG, max_examples=_MANY, deadline=None, suppress_health_check=_SLOW_TO_DRAW)


def bounded(examples: int) -> settings:
    """So many examples, the same in every run, unless the long run is asked for."""
    if settings.get_current_profile_name() == LONG:
        return settings.get_profile(LONG)
    return settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=_SLOW_TO_DRAW
    )
