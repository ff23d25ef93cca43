"""Redis or Valkey: what gateways share, from embeddings and images to what a tenant has used."""

from maskgate.adapters.redis.connection import Breaker, RedisBounds, create_redis, ping
from maskgate.adapters.redis.deletions import RedisDeletions
from maskgate.adapters.redis.embeddings import RedisEmbeddingCache
from maskgate.adapters.redis.generations import RedisGenerationNotes
from maskgate.adapters.redis.grants import RedisImageGrants
from maskgate.adapters.redis.images import RedisImageStore
from maskgate.adapters.redis.locks import RedisEncodeLocks
from maskgate.adapters.redis.masks import RedisMaskShelf
from maskgate.adapters.redis.quotas import RedisQuotas

__all__ = [
    "Breaker",
    "RedisBounds",
    "RedisDeletions",
    "RedisEmbeddingCache",
    "RedisEncodeLocks",
    "RedisGenerationNotes",
    "RedisImageGrants",
    "RedisImageStore",
    "RedisMaskShelf",
    "RedisQuotas",
    "create_redis",
    "ping",
]
