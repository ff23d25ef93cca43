"""Embeddings in shared memory, between the real gateway and the real Triton, and what is left of them."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tritonclient import grpc as triton

from maskgate.domain.prompt import Point, Prompt
from maskgate.stack import reaper
from tests.e2e import photos
from tests.integration.stack.holding import wait_until

if TYPE_CHECKING:
    import httpx

    from maskgate.client import Client
    from maskgate.stack import EmbeddedStack

PROMPT = Prompt((Point(160, 180),))
MOST_BYTES = 200_000
"""Of a warm click, from the gateway to Triton; its embedding alone has 2 MiB."""


def test_a_warm_click_sends_no_embedding(client: Client, rest: httpx.Client) -> None:
    """Clicks on an image that is at hand are small messages to Triton, by the gateway's own count."""
    image = client.image(photos.fresh("cat"))
    image.segment(prompt=PROMPT)
    before = sent(rest)
    for x in range(100, 110):
        image.segment(points=[(x, 180)])
    after = sent(rest)

    assert before["inline"] == after["inline"]
    assert 0 < (after["shared"] - before["shared"]) / 10 < MOST_BYTES


def test_a_restarted_triton_learns_of_the_memory_again(
    stack: EmbeddedStack, client: Client, rest: httpx.Client
) -> None:
    """The first click after a restart is answered from the same memory, with the same mask."""
    images = [client.image(photos.fresh(name)) for name in ("cat", "bus", "pizza")]
    before = [image.segment(prompt=PROMPT).found for image in images]
    inline, done = sent(rest)["inline"], registered(rest)
    stack.restart("triton")
    reached_again = wait_until(lambda: rest.get("/readyz").status_code == 200)
    after = [image.segment(prompt=PROMPT).found for image in images]

    assert reached_again
    assert before == after
    assert (inline, done + 1) == (sent(rest)["inline"], registered(rest))
    assert 1 == len(known_to_triton(stack))


def test_a_killed_gateway_leaves_no_memory(stack: EmbeddedStack, client: Client) -> None:
    """After kill -9 the next gateway deletes the file, and has Triton unmap it."""
    image = client.image(photos.fresh("cat"))
    before = image.segment(prompt=PROMPT).found
    left = files(stack)
    os.kill(stack.pid("gateway"), signal.SIGKILL)
    stack.restart("gateway")
    after = image.segment(prompt=PROMPT).found
    new = files(stack)

    assert before == after
    assert (1, 1) == (len(left), len(new))
    assert left != new
    assert new == known_to_triton(stack)


def test_a_gateway_that_ends_takes_its_memory_along(stack: EmbeddedStack, client: Client) -> None:
    """When the gateway is stopped, neither a file nor a mapping in Triton is left."""
    client.image(photos.fresh("cat")).segment(prompt=PROMPT)
    stack.stop("gateway")
    left = files(stack), known_to_triton(stack)
    stack.start("gateway")

    assert ([], []) == left


def files(stack: EmbeddedStack) -> list[str]:
    prefix = Path(stack.endpoints.redis.removeprefix("unix://")).parent.name
    return [path.name for path in reaper.SHARED_MEMORY.glob(f"{prefix}-slab-*")]


def known_to_triton(stack: EmbeddedStack) -> list[str]:
    with triton.InferenceServerClient(str(stack.endpoints.triton_grpc)) as asked:
        return list(asked.get_system_shared_memory_status(client_timeout=10).regions)


def sent(rest: httpx.Client) -> dict[str, float]:
    """Bytes of decodes, by the way of the embedding."""
    return samples(rest, r'maskgate_inference_sent_bytes_total{stage="decode",way="(\w+)"}')


def registered(rest: httpx.Client) -> float:
    """How often Triton was told of the memory."""
    return samples(rest, r'maskgate_slab_registrations_total{result="(\w+)"}')["done"]


def samples(rest: httpx.Client, pattern: str) -> dict[str, float]:
    found = re.findall(rf"^{pattern} (\S+)$", rest.get("/metrics").text, re.MULTILINE)
    return {label: float(value) for label, value in found}
