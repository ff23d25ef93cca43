"""What several suites share: a real Valkey, started once a run, and how long Hypothesis may look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskgate.stack import EmbeddedStack, StackConfig
from tests import fuzzing

if TYPE_CHECKING:
    from collections.abc import Iterator

VALKEY_ONLY = StackConfig(triton=False)


def pytest_configure() -> None:
    fuzzing.register()


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedStack]:
    """A Valkey for all; whoever stops it starts it again."""
    with EmbeddedStack(VALKEY_ONLY) as running:
        yield running
