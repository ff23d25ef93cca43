"""Redis or Valkey: embeddings, masks, images and which of them were deleted, and whose turn it is to encode one."""

from maskgate.adapters.redis.connection import Breaker, RedisBounds, create_redis, ping
from maskgate.adapters.redis.deletions import RedisDeletions
from maskgate.adapters.redis.embeddings import RedisEmbeddingCache
from maskgate.adapters.redis.images import RedisImageStore
from maskgate.adapters.redis.locks import RedisEncodeLocks
from maskgate.adapters.redis.masks import RedisMaskShelf

__all__ = [
    "Breaker",
    "RedisBounds",
    "RedisDeletions",
    "RedisEmbeddingCache",
    "RedisEncodeLocks",
    "RedisImageStore",
    "RedisMaskShelf",
    "create_redis",
    "ping",
]
