"""Calls are spread one by one, whatever connections they come on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from maskgate.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskgate.domain.image import ImageId
    from tests.balance.site import Site

CALLS = 100
LEAST = 0.3
"""Of the calls, for each of two; the less busy one is taken, so halves are not exact."""


def least_share(before: Iterable[int], after: Iterable[int]) -> float:
    """The share of the one that has got the fewest of all calls since then."""
    since = [now - then for then, now in zip(before, after, strict=True)]
    return min(since) / sum(since)


def test_calls_of_one_connection(site: Site, images: list[ImageId]) -> None:
    """A client with one connection of gRPC uses both gateways, and these use both Tritons."""

    def counts() -> tuple[Iterable[int], Iterable[int]]:
        return site.envoy.answered("gateways_grpc").values(), [triton.decoded for triton in site.tritons]

    with Client(site.address) as client:
        image = client.image(images[0])
        before = counts()
        for _ in range(CALLS):
            image.segment(points=[(60, 60)])
        after = counts()

    shares = list(map(least_share, before, after))
    assert min(shares) > LEAST, shares


def test_requests_of_one_connection(site: Site, images: list[ImageId]) -> None:
    """So does a client of REST, at the very same address."""
    with httpx.Client(base_url=f"http://{site.address}", trust_env=False) as client:
        before = site.envoy.answered("gateways_rest")
        body = {"points": [{"x": 60, "y": 60}]}
        for _ in range(CALLS):
            client.post(f"/v1/images/{images[0]}:segment", json=body).raise_for_status()
        after = site.envoy.answered("gateways_rest")

    share = least_share(before.values(), after.values())
    assert share > LEAST, share
