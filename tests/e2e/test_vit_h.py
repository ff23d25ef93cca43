"""SAM's largest size at full depth, of random weights: built, loaded, served, clicked on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maskforge.sam.variants import VARIANTS
from maskgate.client import Client
from maskgate.domain.timing import CacheTier
from maskgate.stack import EmbeddedStack, StackConfig
from maskgate.stack.stubs import Stubs
from tests.e2e import photos
from tests.e2e.own_models import build, save_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.full

MODEL = "vit_h"
MOST_MEMORY = 5 * 1024
"""MiB of the encoder's process, whose weights take 1.2 GiB in bf16."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a user gets from Meta's file; gigabytes, which pytest would keep for three runs."""
    folder = tmp_path_factory.mktemp(MODEL)
    save_reference(VARIANTS[MODEL], folder / "weights.pth")
    build(MODEL, folder / "weights.pth", folder / "repository")
    yield folder / "repository"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stack(repository: Path) -> Iterator[EmbeddedStack]:
    config = StackConfig(
        models=(MODEL,),
        model_repository=repository,
        grpc_port=0,
        http_port=0,
        triton_grpc_port=0,
        triton_metrics_port=0,
    )
    with EmbeddedStack(config) as running:
        yield running


def test_click(stack: EmbeddedStack, capsys: pytest.CaptureFixture[str]) -> None:
    """With default settings the first click waits for its encode and the next does not; memory stays within bounds."""
    with Client(str(stack.endpoints.grpc)) as client:
        image = client.image(photos.fresh("cat"))
        first, second = (image.segment(points=[(160, 180)]) for _ in range(2))
    peak = peak_memory(stack, f"{MODEL}_encoder")
    with capsys.disabled():
        print(f"\n{MODEL}: encode {first.timing.encode:.1f} s, peak memory {peak} MiB")  # noqa: T201 - to be read

    assert [CacheTier.MISS, CacheTier.L1] == [answer.timing.cache_tier for answer in (first, second)]
    assert first.found == second.found
    assert photos.truth("cat").pixels.shape == first.best.pixels.shape
    assert 0 < peak < MOST_MEMORY


def peak_memory(stack: EmbeddedStack, model: str) -> int:
    """The most that the process of a model has held, in MiB (VmHWM of proc(5))."""
    run_directory = Path(stack.endpoints.redis.removeprefix("unix://")).parent
    stubs = Stubs(backends=run_directory / "backends", model_repository=run_directory / "models")
    (process,) = (process for process, of in stubs.find().items() if of == model)
    lines = Path("/proc", str(process), "status").read_text().splitlines()
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kibibytes) // 1024
