"""Who calls, and how much they may ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from enum import Enum

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Quota(Enum):
    """What is counted, and over how many seconds. The value is its name to clients."""

    CALLS = "calls_per_second"
    PIXELS = "pixels_per_minute"

    @property
    def seconds(self) -> float:
        """The time over which the limit counts."""
        return 60.0 if self is Quota.PIXELS else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a tenant may use; None is as much as there is. Raises ValueError for a limit that is not above 0.

    Attributes:
        calls_per_second: Calls.
        pixels_per_minute: Pixels of images that are encoded; what is cached already is free.
        cache_bytes: Of its images, each of which counts with its file and one embedding.
    """

    calls_per_second: float | None = None
    pixels_per_minute: int | None = None
    cache_bytes: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            limit = getattr(self, field.name)
            if limit is not None and not limit > 0:
                raise ValueError(f"{field.name} must be above 0")

    def of(self, quota: Quota) -> float | None:
        """Return what may be used in the time of a quota."""
        limit: float | None = getattr(self, quota.value)
        return limit


@dataclass(frozen=True, slots=True)
class Tenant:
    """Somebody whose images are nobody else's. Tenants of one name are the same, whatever their limits.

    Attributes:
        name: Letters, digits, `.`, `_` and `-`, at most 64 (`named` checks it); empty where nobody is told apart.
        limits: Those of the key that the call came with.
    """

    name: str
    limits: Limits = Limits()

    @classmethod
    def named(cls, name: str, limits: Limits) -> Tenant:
        """Create a tenant of its own. Raises ValueError where the name is none."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a tenant: letters, digits, '.', '_' and '-', at most 64")
        return cls(name, limits)


EVERYBODY = Tenant("")
"""The one tenant of a gateway without keys."""
