"""What routes write beside the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskgate.domain.timing import Timing


def server_timing(timing: Timing) -> str:
    """Write the timing as browsers show it (W3C Server Timing)."""
    names = ("queue", "encode", "decode", "postprocess", "total")
    spans = {name: getattr(timing, name) for name in names}
    parts = [f"{name};dur={seconds * 1e3:.2f}" for name, seconds in spans.items()]
    return ", ".join([f'cache;desc="{timing.cache_tier.value}"', *parts])
