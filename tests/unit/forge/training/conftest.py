from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """A run sets how many threads torch has: later tests have theirs again."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
