"""Small models of both reference implementations, saved once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from tests.golden.reference import reference_sam, transformers_sam
from tests.unit.forge.checkpoints.sizes import SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


@pytest.fixture(scope="session")
def official_weights() -> dict[str, Tensor]:
    """The state dict of segment_anything's Sam, seeded."""
    torch.manual_seed(1)
    return reference_sam(SMALL).state_dict()


@pytest.fixture(scope="session")
def official(official_weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as Meta publishes it."""
    path = tmp_path_factory.mktemp("official") / "sam.pth"
    torch.save(official_weights, path)
    return path


@pytest.fixture(scope="session")
def hugging_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as transformers writes it."""
    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("hugging_face")
    transformers_sam(SMALL).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model in shards."""
    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("sharded")
    transformers_sam(SMALL).save_pretrained(folder, max_shard_size="5MB")
    return folder


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the tests' own servers, whatever the environment says."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
