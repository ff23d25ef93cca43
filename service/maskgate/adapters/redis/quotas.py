"""What tenants have used, in Redis: token buckets that all gateways fill and empty, each in one script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maskgate.adapters.redis.names import quota_name
from maskgate.domain.errors import CacheUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.adapters.redis.connection import Breaker
    from maskgate.domain.tenant import Quota, Tenant

# domain/bucket.py, by Redis' own clock. Numbers travel as text: Lua would hand integers back.
_CHARGE: Final = """
local limit, seconds, amount = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local left, at = unpack(redis.call('HMGET', KEYS[1], 'left', 'at'))
left = math.min(limit, (tonumber(left) or limit) + math.max(0, now - (tonumber(at) or now)) * limit / seconds)
local wait = math.max(0, math.min(amount, limit) - left) * seconds / limit
if wait > 0 then return string.format('%.17g', wait) end
left = left - amount
redis.call('HSET', KEYS[1], 'left', string.format('%.17g', left), 'at', string.format('%.17g', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((limit - left) * seconds / limit * 1000) + 1000)
return '0'
"""


class RedisQuotas:
    """Counts for all gateways of one Redis. A bucket that is full again is forgotten, which is the same."""

    def __init__(self, redis: Redis, *, breaker: Breaker) -> None:
        self._breaker = breaker
        self._charge_script = redis.register_script(_CHARGE)

    async def charge(self, tenant: Tenant, quota: Quota, amount: float) -> float:
        """See Quotas."""
        limit = tenant.limits.of(quota)
        if limit is None:
            return 0.0
        names = [quota_name(tenant.name, quota.value)]
        with self._breaker.asking(CacheUnavailable):
            return float(await self._charge_script(keys=names, args=[limit, quota.seconds, amount]))
