from __future__ import annotations

from maskgate.stack.restarts import CrashHistory, RestartPolicy


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


POLICY = RestartPolicy(limit=3, window_seconds=60.0, first_pause_seconds=0.5)


def test_each_pause_is_twice_the_one_before() -> None:
    """The pause before a restart doubles with every crash within the window."""
    crashes = CrashHistory(POLICY, clock=Clock())

    assert [0.5, 1.0, 2.0] == [crashes.record() for _ in range(3)]


def test_the_fourth_crash_within_a_minute_is_one_too_many() -> None:
    """After as many restarts as the policy allows, the next crash means giving up."""
    crashes = CrashHistory(POLICY, clock=Clock())

    assert [0.5, 1.0, 2.0, None] == [crashes.record() for _ in range(4)]


def test_old_crashes_are_forgiven() -> None:
    """Crashes before the window no longer count."""
    clock = Clock()
    crashes = CrashHistory(POLICY, clock=clock)
    for _ in range(3):
        crashes.record()

    clock.now += 60.0

    assert crashes.record() == 0.5
