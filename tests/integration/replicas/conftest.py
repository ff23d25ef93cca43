from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskgate.stack import EmbeddedStack, StackConfig

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def stack() -> Iterator[EmbeddedStack]:
    """A Valkey and a Triton for the gateways that the tests start."""
    with EmbeddedStack(StackConfig(gateway=False, triton_grpc_port=0, triton_metrics_port=0)) as running:
        yield running
