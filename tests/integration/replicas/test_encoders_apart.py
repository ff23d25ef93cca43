"""Gateways whose encoders are others than their decoders: one that has an encoder, and one that has none."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from maskgate.client import Client
from maskgate.domain.errors import EncoderStarting
from tests.e2e import photos
from tests.integration.replicas.gateways import replicas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.client import Image
    from maskgate.stack import EmbeddedStack
    from tests.integration.replicas.gateways import Replica

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nobody() -> str:
    """An address that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def gateways(stack: EmbeddedStack, nobody: str) -> Iterator[tuple[Replica, Replica]]:
    """One asks the stack's Triton for embeddings, too, as if it were another; the other finds no encoder."""
    with ExitStack() as running:
        started = [
            running.enter_context(
                replicas(
                    stack,
                    1,
                    environment={"MASKGATE_ENCODER_URL": encoder, "MASKGATE_ENCODER_START_SECONDS": "30"},
                )
            )[0]
            for encoder in (str(stack.endpoints.triton_grpc), nobody)
        ]
        yield started[0], started[1]


def click_on(image: Image) -> int:
    return len(image.segment(points=[(160, 180)]).masks)


def test_without_an_encoder_what_is_encoded_is_served(gateways: tuple[Replica, Replica]) -> None:
    """A gateway without an encoder is ready, and serves what another one has encoded; a new image has to come again."""
    whole, lacking = gateways
    with (
        Client(str(whole.endpoints.grpc), attempts=1) as one,
        Client(str(lacking.endpoints.grpc), attempts=1, timeout=5) as other,
    ):
        known, new = one.image(photos.fresh("cat")), other.image(photos.fresh("cat"))
        encoded = click_on(known)
        shared = click_on(other.image(known.id))
        with pytest.raises(EncoderStarting) as refused:
            click_on(new)

    ready = httpx.get(f"{lacking.endpoints.http}/readyz", trust_env=False)
    up = [gateway.sample("maskgate_component_up", component="encoder") for gateway in gateways]
    assert (1, 1) == (encoded, shared)
    assert 25 < (refused.value.retry_after or 0) <= 30
    assert (200, [1, 0]) == (ready.status_code, up)
    assert 1 <= lacking.sample("maskgate_inference_errors_total", stage="encode", reason="ENCODER_STARTING")
