"""Parts of the real stack go away, and come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from redis import Redis

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
    image_id = client.upload(photos.fresh("cat"))
    before = client.segment(image_id, PROMPT)
    stack.stop("triton")
    try:
        with pytest.raises(grpc.RpcError) as refused:
            client.segment(image_id, PROMPT)
        over_rest = rest.post(f"/v1/images/{image_id}:segment", json=BODY)
        unready = _eventually(lambda: rest.get("/readyz").status_code == 503)
        alive = rest.get("/livez").status_code
    finally:
        stack.start("triton")
    ready_again = _eventually(lambda: rest.get("/readyz").status_code == 200)
    after = client.segment(image_id, PROMPT)

    assert (grpc.StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE") == (refused.value.code(), _reason(refused.value))
    assert (503, "BACKEND_UNAVAILABLE") == (over_rest.status_code, over_rest.json()["error"]["reason"])
    assert over_rest.headers["retry-after"]
    assert (True, 200, True) == (unready, alive, ready_again)
    assert before.masks == after.masks


def test_a_restarted_triton_is_asked_at_once(stack: EmbeddedStack, client: Client, rest: httpx.Client) -> None:
    """The first click after a restart succeeds, although the gateway has yet to connect and register again."""
    image_id = client.upload(photos.fresh("cat"))
    before = client.segment(image_id, PROMPT)
    stack.stop("triton")
    with pytest.raises(grpc.RpcError):
        client.segment(image_id, PROMPT)
    stack.start("triton")
    after = client.segment(image_id, PROMPT)

    assert before.masks == after.masks
    assert _eventually(lambda: rest.get("/readyz").status_code == 200)


def test_valkey_down_degrades(stack: EmbeddedStack, client: Client, rest: httpx.Client) -> None:
    """Without Valkey uploads and clicks go on in this gateway; what only Valkey knows is UNAVAILABLE."""
    known = client.upload(photos.fresh("bus"))
    client.segment(known, PROMPT)
    stack.stop("valkey")
    try:
        warm = client.segment(known, PROMPT)
        cold = client.segment(client.upload(photos.fresh("cat")), PROMPT)
        unknown = rest.get("/v1/images/sha256:" + "0" * 64)
        ready = rest.get("/readyz").status_code
    finally:
        stack.start("valkey")
    back = _eventually(lambda: rest.get(unknown.url.path).status_code == 404)

    assert warm.masks
    assert cold.masks
    assert (503, "STORE_UNAVAILABLE") == (unknown.status_code, unknown.json()["error"]["reason"])
    assert ready == 200
    assert back


def test_evicted_embedding_is_made_again(stack: EmbeddedStack, client: Client) -> None:
    """An image whose embedding is gone from every tier is encoded again from the stored image."""
    image_id = client.upload(photos.fresh("cat"))
    first = client.segment(image_id, PROMPT)
    _forget_embeddings(stack)
    stack.restart("gateway")

    assert client.segment(image_id, PROMPT).masks == first.masks


def _forget_embeddings(stack: EmbeddedStack) -> None:
    with Redis.from_url(stack.endpoints.redis) as redis:
        keys = list(redis.scan_iter("maskgate:*:embedding:*"))
        assert redis.delete(*keys) >= 1


def _reason(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return info.reason


def _eventually(holds: Callable[[], bool], *, seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
