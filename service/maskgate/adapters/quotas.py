"""What tenants have used, in this process: alone, or a little ahead of what all gateways share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from maskgate.domain.bucket import Bucket
from maskgate.domain.errors import CacheUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskgate.domain.tenant import Quota, Tenant
    from maskgate.ports import Quotas

    _Key = tuple[str, Quota]

_log = structlog.get_logger(__name__)
_AHEAD_SECONDS = 0.1
_MOST_TENANTS = 10_000  # a bucket of one that is forgotten is full again


class MemoryQuotas:
    """Counts for this process alone."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[_Key, Bucket] = OrderedDict()

    async def charge(self, tenant: Tenant, quota: Quota, amount: float) -> float:
        """See Quotas; never raises."""
        limit = tenant.limits.of(quota)
        if limit is None:
            return 0.0
        bucket = self._bucket(tenant, quota, limit)
        wait = bucket.wait(amount)
        self._buckets[tenant.name, quota] = bucket if wait else bucket.without(amount)
        _forget_oldest(self._buckets, (tenant.name, quota))
        return wait

    def _bucket(self, tenant: Tenant, quota: Quota, limit: float) -> Bucket:
        now = self._clock()
        kept = self._buckets.get((tenant.name, quota))
        if kept is None:
            return Bucket.full(limit, quota.seconds, at=now)
        return replace(kept, limit=limit).after(now)


@dataclass(slots=True)
class _Lease:
    """What was taken of the shared bucket and not used yet, and an amount that was not to be had until a moment."""

    left: float = 0.0
    refused: float = 0.0
    refused_until: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class LeasedQuotas:
    """Takes a tenth of a second's worth at a time from what all gateways share, so that few calls ask for themselves.

    Who was refused is refused here until its time has come, so that a flood does not reach Redis. While nobody can
    tell, each gateway counts for itself.
    """

    def __init__(
        self, shared: Quotas, *, ahead_seconds: float = _AHEAD_SECONDS, clock: Callable[[], float] = monotonic
    ) -> None:
        self._shared = shared
        self._alone = MemoryQuotas(clock=clock)
        self._ahead_seconds = ahead_seconds
        self._clock = clock
        self._leases: OrderedDict[_Key, _Lease] = OrderedDict()

    async def charge(self, tenant: Tenant, quota: Quota, amount: float) -> float:
        """See Quotas; never raises."""
        limit = tenant.limits.of(quota)
        if limit is None:
            return 0.0
        lease = self._leases.setdefault((tenant.name, quota), _Lease())
        _forget_oldest(self._leases, (tenant.name, quota))
        async with lease.asking:
            if lease.left >= amount:
                lease.left -= amount
                return 0.0
            now = self._clock()
            if amount >= lease.refused and now < lease.refused_until:
                return lease.refused_until - now
            return await self._take(lease, tenant, quota, amount, ahead=limit / quota.seconds * self._ahead_seconds)

    async def _take(self, lease: _Lease, tenant: Tenant, quota: Quota, amount: float, *, ahead: float) -> float:
        wanted = max(amount, ahead)
        try:
            wait = await self._shared.charge(tenant, quota, wanted)
        except CacheUnavailable as error:
            _log.warning("quota.counted_here_only", quota=quota.value, error=str(error))
            return await self._alone.charge(tenant, quota, amount)
        if wait:
            lease.refused, lease.refused_until = amount, self._clock() + wait
        else:
            lease.left += wanted - amount
        return wait


def _forget_oldest(entries: OrderedDict[_Key, Bucket] | OrderedDict[_Key, _Lease], used: _Key) -> None:
    entries.move_to_end(used)
    if len(entries) > _MOST_TENANTS:
        entries.popitem(last=False)
