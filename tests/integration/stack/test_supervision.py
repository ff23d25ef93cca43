from __future__ import annotations

import os
import signal

import pytest
import redis

from maskgate.stack import ComponentFailed, EmbeddedStack, StackConfig, StopRequested

VALKEY_ONLY = StackConfig(triton=False, cache_memory="8mb")


def test_valkey_is_a_bounded_cache() -> None:
    """The real Valkey evicts the least used keys beyond its memory and keeps nothing on disk."""
    with EmbeddedStack(VALKEY_ONLY) as stack, redis.Redis.from_url(stack.endpoints.redis) as client:
        for number in range(200):
            client.set(f"key:{number}", bytes(100_000))

        assert "allkeys-lfu" == client.config_get("maxmemory-policy")["maxmemory-policy"]
        assert client.info()["evicted_keys"] > 0
        assert "" == client.config_get("save")["save"]


def test_a_component_comes_back_at_the_same_address() -> None:
    """A restarted component is another process behind the same address."""
    with EmbeddedStack(VALKEY_ONLY) as stack:
        before = stack.endpoints, stack.pid("valkey")
        stack.restart("valkey")
        after = stack.endpoints, stack.pid("valkey")
        with redis.Redis.from_url(stack.endpoints.redis) as client:
            assert client.ping()

    assert before[0] == after[0]
    assert before[1] != after[1]


def test_a_stopped_component_stays_stopped() -> None:
    """Stopping is deliberate: it makes the component unreachable, and stopping it again does nothing."""
    with EmbeddedStack(VALKEY_ONLY) as stack:
        stack.stop("valkey")
        stack.stop("valkey")

        with redis.Redis.from_url(stack.endpoints.redis) as client, pytest.raises(redis.ConnectionError):
            client.ping()


def test_a_crashed_component_is_started_again() -> None:
    """A component that was killed is ready again after a short pause."""
    lines: list[str] = []
    stack = EmbeddedStack(
        VALKEY_ONLY, announce=lines.append, stopping=lambda: 2 == sum("ready in" in line for line in lines)
    )
    with stack:
        os.kill(stack.pid("valkey"), signal.SIGKILL)
        stack.supervise()

    assert "valkey   crashed (SIGKILL); starting it again in 0.5 s" == lines[1]
    assert lines[2].startswith("valkey   ready in")


@pytest.mark.slow
def test_a_component_that_keeps_crashing_ends_the_stack() -> None:
    """After three restarts within a minute the next crash is an error that names the component and shows its log."""
    lines: list[str] = []

    def kill_when_ready(line: str) -> None:
        lines.append(line)
        if "ready in" in line:
            os.kill(stack.pid("valkey"), signal.SIGKILL)

    stack = EmbeddedStack(VALKEY_ONLY, announce=kill_when_ready)
    with pytest.raises(ComponentFailed) as caught, stack:
        stack.supervise()

    assert "valkey keeps crashing (SIGKILL)" == str(caught.value)
    assert "Ready to accept connections" in caught.value.log_tail
    assert 4 == sum("ready in" in line for line in lines)


def test_a_component_that_dies_while_starting() -> None:
    """A component that ends before it is ready is an error with the end of its log."""
    with (
        pytest.raises(ComponentFailed, match=r"valkey died while starting \(exit status 1\)") as caught,
        EmbeddedStack(StackConfig(triton=False, cache_memory="plenty")),
    ):
        pass

    assert "argument must be a memory value" in caught.value.log_tail


def test_stopping_while_starting() -> None:
    """Asking to stop before the stack is ready ends the wait."""
    with pytest.raises(StopRequested), EmbeddedStack(VALKEY_ONLY, stopping=lambda: True):
        pass


def test_logs_are_passed_on() -> None:
    """Whoever follows the logs gets each line with its component's name."""
    lines: list[str] = []

    with EmbeddedStack(VALKEY_ONLY, follow_log=lines.append):
        pass

    assert any(line.startswith("valkey   | ") and "Ready to accept connections" in line for line in lines)
    assert any("User requested shutdown" in line for line in lines)


def test_a_running_component_is_not_started_twice() -> None:
    """Starting what runs is a mistake of the caller."""
    with EmbeddedStack(VALKEY_ONLY) as stack, pytest.raises(ValueError, match="valkey is running"):
        stack.start("valkey")
