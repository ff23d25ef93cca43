"""A real Prometheus on the real stack, both started once a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.observability.prometheus import prometheus
from tests.observability.split_stack import split_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.observability.prometheus import Prometheus
    from tests.observability.split_stack import SplitStack


@pytest.fixture(scope="session")
def stack() -> Iterator[SplitStack]:
    with split_stack() as running:
        yield running


@pytest.fixture(scope="session")
def watching(stack: SplitStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    targets = {
        "gateway": str(stack.gateway.http).removeprefix("http://"),
        "decoder": stack.decoder.metrics,
        "encoder": stack.encoder.metrics,
    }
    with prometheus(tmp_path_factory.mktemp("prometheus"), targets) as running:
        yield running
