"""Why a gateway cannot be opened."""

from __future__ import annotations


class CannotServeError(Exception):
    """What the gateway was told cannot be done on this machine; says what and which option changes it."""
