"""Parts of the real stack go away, and come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from maskgate.client import errors
from maskgate.domain.prompt import Point, Prompt
from tests.e2e import photos

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from maskgate.client import Client
    from maskgate.stack import EmbeddedStack

PROMPT = Prompt((Point(160, 180),))
BODY = {"points": [{"x": 160, "y": 180}]}


def test_triton_down_is_unavailable_and_nothing_is_lost(
    stack: EmbeddedStack, client: Client, rest: httpx.Client
) -> None:
    """Without Triton a click is UNAVAILABLE with a reason on both protocols; with it again the same click succeeds."""
    image = client.image(photos.fresh("cat"))
    before = image.segment(prompt=PROMPT)
    stack.stop("triton")
    try:
        with pytest.raises(errors.BackendUnavailable) as refused:
            image.segment(prompt=PROMPT)
        over_rest = rest.post(f"/v1/images/{image.id}:segment", json=BODY)
        unready = _eventually(lambda: rest.get("/readyz").status_code == 503)
        alive = rest.get("/livez").status_code
    finally:
        stack.start("triton")
    ready_again = _eventually(lambda: rest.get("/readyz").status_code == 200)
    after = image.segment(prompt=PROMPT)

    assert "BACKEND_UNAVAILABLE" == refused.value.reason
    assert refused.value.retry_after
    assert (503, "BACKEND_UNAVAILABLE") == (over_rest.status_code, over_rest.json()["error"]["reason"])
    assert over_rest.headers["retry-after"]
    assert (True, 200, True) == (unready, alive, ready_again)
    assert before.found == after.found


def test_a_restarted_triton_is_asked_at_once(stack: EmbeddedStack, client: Client, rest: httpx.Client) -> None:
    """The first click after a restart succeeds, although the gateway has yet to connect and register again."""
    image = client.image(photos.fresh("cat"))
    before = image.segment(prompt=PROMPT)
    stack.stop("triton")
    with pytest.raises(errors.BackendUnavailable):
        image.segment(prompt=PROMPT)
    stack.start("triton")
    after = image.segment(prompt=PROMPT)

    assert before.found == after.found
    assert _eventually(lambda: rest.get("/readyz").status_code == 200)


def test_valkey_down_degrades(stack: EmbeddedStack, client: Client, rest: httpx.Client) -> None:
    """Without Valkey uploads and clicks go on in this gateway; what only Valkey knows is UNAVAILABLE."""
    known = client.image(photos.fresh("bus"))
    known.segment(prompt=PROMPT)
    stack.stop("valkey")
    try:
        warm = known.segment(prompt=PROMPT)
        cold = client.image(photos.fresh("cat")).segment(prompt=PROMPT)
        unknown = rest.get("/v1/images/sha256:" + "0" * 64)
        ready = rest.get("/readyz").status_code
    finally:
        stack.start("valkey")
    back = _eventually(lambda: rest.get(unknown.url.path).status_code == 404)

    assert warm.found
    assert cold.found
    assert (503, "STORE_UNAVAILABLE") == (unknown.status_code, unknown.json()["error"]["reason"])
    assert ready == 200
    assert back


def test_evicted_embedding_is_made_again(stack: EmbeddedStack, client: Client) -> None:
    """An image whose embedding is gone from every tier is encoded again from the stored image."""
    image = client.image(photos.fresh("cat"))
    first = image.segment(prompt=PROMPT)
    _forget_embeddings(stack)
    stack.restart("gateway")

    assert image.segment(prompt=PROMPT).found == first.found


def _forget_embeddings(stack: EmbeddedStack) -> None:
    with Redis.from_url(stack.endpoints.redis) as redis:
        keys = list(redis.scan_iter("maskgate:*:embedding:*"))
        assert redis.delete(*keys) >= 1


def _eventually(holds: Callable[[], bool], *, seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
