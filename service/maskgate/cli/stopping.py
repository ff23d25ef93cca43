"""Ctrl-C and SIGTERM, for a process that ends its calls first."""

from __future__ import annotations

import asyncio
import signal


def asked_to_stop() -> asyncio.Event:
    """Return what is set once somebody asks this process to stop; the signals themselves no longer end it."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    return asked
