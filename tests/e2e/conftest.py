"""The real stack, started once a run: Valkey, Triton and the gateway, as `maskgate up` starts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from maskgate.client import Client
from maskgate.stack import EmbeddedStack, StackConfig

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def stack() -> Iterator[EmbeddedStack]:
    config = StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0)
    with EmbeddedStack(config) as running:
        yield running


@pytest.fixture
def client(stack: EmbeddedStack) -> Iterator[Client]:
    with Client(str(stack.endpoints.grpc), attempts=1) as opened:  # so that tests see each answer
        yield opened


@pytest.fixture
def rest(stack: EmbeddedStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=str(stack.endpoints.http), timeout=60, trust_env=False) as opened:
        yield opened
