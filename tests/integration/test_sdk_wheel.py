"""The client as those get it who install it: `pip install 'maskgate[client]'`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.bare import Bare, build_wheel
from tests.pictures import png
from tests.unit.client.conftest import serving
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from asyncio.subprocess import Process

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, pkgutil, sys
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path

import maskgate.client
from maskgate.client import Client

for module in pkgutil.iter_modules(maskgate.client.__path__, "maskgate.client."):
    import_module(module.name)
with Client(sys.argv[1]) as client:
    image = client.image(sys.argv[2])
    answer = image.segment(points=[(5, 5)])
    things = list(image.everything(points_per_side=2, pred_iou_thresh=0.1, stability_score_thresh=0.1))
    with image.stream() as stream:
        stream.send(points=[(6, 6)])
        stream.finish()
        hovered = [seen.sequence for seen in stream]
print(json.dumps({
    "installed": sorted(each.name.lower().replace("_", "-") for each in distributions()),
    "typed": Path(maskgate.__file__).with_name("py.typed").exists(),
    "shape": answer.masks.shape,
    "found": len(things) > 0,
    "hovered": hovered,
}))
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    folder = tmp_path_factory.mktemp("wheel")
    return Bare.create(folder / "environment", build_wheel(ROOT, folder), extra="client")


async def test_the_client_works_where_nothing_of_the_server_is(bare: Bare, tmp_path: Path) -> None:
    """Out of the wheel, beside what its extra declares and nothing else, it uploads, segments, searches and hovers."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(40, 30))
    async with serving(World()) as served:
        finished = await _run(bare, served.address, str(photo))
        said, complaint = await asyncio.wait_for(finished.communicate(), 60)

    assert ("", 0) == (complaint.decode(), finished.returncode)
    assert {
        "installed": sorted(bare.distributions),
        "typed": True,
        "shape": [1, 30, 40],
        "found": True,
        "hovered": [1],
    } == json.loads(said)
    assert not {"click", "fastapi", "grpcio-status", "pillow", "pydantic", "redis", "structlog"} & bare.distributions


async def _run(bare: Bare, *arguments: str) -> Process:
    """Run the program with an environment that leads nowhere else."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        bare.python, "-I", "-c", PROGRAM, *arguments, stdout=pipe, stderr=pipe, env={}
    )
