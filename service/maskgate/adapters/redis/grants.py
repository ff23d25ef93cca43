"""Who may use which image, in Redis.

Of each tenant a sorted set says when it has used which image, and a hash what these weigh. Of each image a set says
whose it is, to tell the last one who deletes it; who has not used it for long may be in it, and does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maskgate.adapters.redis.names import granted_name, holders_name, weights_name
from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageId

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from redis.asyncio import Redis

    from maskgate.adapters.redis.connection import Breaker
    from maskgate.domain.tenant import Tenant

    _Arguments = list[str | int]

# Whether a tenant, but for one, may use an image; by Redis' own clock. Without grants, where they last 0 s, none may.
HELD: Final = """
local function held(holders, image, ttl, but_for, granted)
  local expired = tonumber(redis.call('TIME')[1]) - tonumber(ttl)
  for _, tenant in ipairs(tonumber(ttl) > 0 and redis.call('SMEMBERS', holders) or {}) do
    local used = tenant ~= but_for and redis.call('ZSCORE', granted .. tenant, image)
    if used and tonumber(used) > expired then return true end
  end
  return false
end
"""
# By Redis' own clock, which is the only one that all gateways share.
_NOW: Final = "local now = tonumber(redis.call('TIME')[1]) local expired = now - tonumber(ARGV[1])\n"
_GRANT: Final = (
    _NOW
    + """
local image, tenant, limit = ARGV[2], ARGV[3], tonumber(ARGV[5])
local function drop(other)
  redis.call('ZREM', KEYS[1], other)
  redis.call('HDEL', KEYS[2], other)
  redis.call('SREM', ARGV[6] .. other, tenant)
end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', expired)) do drop(old) end
redis.call('ZADD', KEYS[1], now, image)
redis.call('HSET', KEYS[2], image, ARGV[4])
redis.call('SADD', KEYS[3], tenant)
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
local total, gone = 0, {}
if limit == 0 then return gone end
for _, weight in ipairs(redis.call('HVALS', KEYS[2])) do total = total + tonumber(weight) end
for _, oldest in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if total <= limit then break end
  if oldest ~= image then
    total = total - tonumber(redis.call('HGET', KEYS[2], oldest) or 0)
    drop(oldest)
    gone[#gone + 1] = oldest
  end
end
return gone
"""
)
_GRANTED: Final = (
    _NOW
    + """
local answers = {}
for index = 3, #ARGV do
  local used = redis.call('ZSCORE', KEYS[1], ARGV[index])
  if used and tonumber(used) > expired then
    redis.call('ZADD', KEYS[1], now, ARGV[index])
    redis.call('EXPIRE', ARGV[2] .. ARGV[index], ARGV[1])
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = 0
  end
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
return answers
"""
)
_REVOKE: Final = (
    HELD
    + """
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('SREM', KEYS[3], ARGV[3])
return held(KEYS[3], ARGV[2], ARGV[1], ARGV[3], ARGV[4]) and 1 or 0
"""
)


class RedisImageGrants:
    """Grants that all gateways share.

    Args:
        redis: The client.
        ttl: Seconds after its last use that a grant ends: what it is for must not outlive it.
        breaker: Of that client.
    """

    def __init__(self, redis: Redis, *, ttl: int, breaker: Breaker) -> None:
        self._ttl = ttl
        self._breaker = breaker
        self._grant_script = redis.register_script(_GRANT)
        self._granted_script = redis.register_script(_GRANTED)
        self._revoke_script = redis.register_script(_REVOKE)

    async def grant(self, tenant: Tenant, image_id: ImageId, *, weight: int) -> Sequence[ImageId]:
        """See ImageGrants."""
        limit = tenant.limits.cache_bytes or 0
        arguments: _Arguments = [self._ttl, str(image_id), tenant.name, weight, limit, holders_name("")]
        with self._breaker.asking(StoreUnavailable):
            gone = await self._grant_script(keys=_names(tenant, image_id), args=arguments)
        return [ImageId.parse(each.decode()) for each in gone]

    async def granted(self, tenant: Tenant, image_ids: Collection[ImageId]) -> frozenset[ImageId]:
        """See ImageGrants."""
        names = [granted_name(tenant.name), weights_name(tenant.name)]
        arguments: _Arguments = [self._ttl, holders_name(""), *map(str, image_ids)]
        with self._breaker.asking(StoreUnavailable):
            answers = await self._granted_script(keys=names, args=arguments)
        return frozenset(image_id for image_id, answer in zip(image_ids, answers, strict=True) if answer)

    async def revoke(self, tenant: Tenant, image_id: ImageId) -> bool:
        """See ImageGrants."""
        arguments: _Arguments = [self._ttl, str(image_id), tenant.name, granted_name("")]
        with self._breaker.asking(StoreUnavailable):
            return bool(await self._revoke_script(keys=_names(tenant, image_id), args=arguments))


def _names(tenant: Tenant, image_id: ImageId) -> list[str]:
    return [granted_name(tenant.name), weights_name(tenant.name), holders_name(str(image_id))]
