"""Settings → who is told apart, what is theirs, and how much they may use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from maskgate.adapters.instrumented import InstrumentedQuotas
from maskgate.adapters.key_file import KeyFile, KeyFileError
from maskgate.adapters.near_grants import NearGrants
from maskgate.adapters.open import NoQuotas, OpenGrants
from maskgate.adapters.quotas import LeasedQuotas
from maskgate.adapters.redis import Breaker, RedisImageGrants, RedisQuotas
from maskgate.bootstrap.failures import CannotServeError

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.ports import ApiKeys, ImageGrants, Quotas
    from maskgate.settings import Settings
    from maskgate.telemetry import TenantMetrics


class CannotTellApartError(CannotServeError):
    """The file of keys is of no use."""


@dataclass(frozen=True, slots=True)
class Tenants:
    """Those of a gateway without keys, where nothing else is said: one, which may do everything."""

    keys: ApiKeys | None = None
    grants: ImageGrants = field(default_factory=OpenGrants)
    quotas: Quotas = field(default_factory=NoQuotas)


def create_tenants(settings: Settings, redis: Redis, breaker: Breaker, metrics: TenantMetrics) -> Tenants:
    """Create what tells tenants apart, where there are keys.

    Raises:
        CannotTellApartError: The file of keys cannot be read, or holds what is no key.
    """
    if not settings.api_keys_file:
        return Tenants()
    try:
        keys = KeyFile(Path(settings.api_keys_file))
    except KeyFileError as error:
        raise CannotTellApartError(f"{error} (--api-keys-file)") from error
    ttl = max(settings.image_ttl_seconds, settings.embedding_ttl_seconds)  # of whatever a grant is for
    return Tenants(
        keys,
        grants=NearGrants(RedisImageGrants(redis, ttl=ttl, breaker=breaker)),
        quotas=InstrumentedQuotas(LeasedQuotas(RedisQuotas(redis, breaker=breaker)), metrics=metrics),
    )
