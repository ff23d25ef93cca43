"""The commands that ask a gateway, against one over fakes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pycocotools import mask as coco

from maskgate.cli import main
from maskgate.domain.errors import BackendUnavailable
from tests import pictures
from tests.unit.client.conftest import Served, serving
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from click.testing import Result

SEARCH = ("--points-per-side", "4", "--min-iou", "0.1", "--min-stability", "0.1")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def served(world: World) -> AsyncIterator[Served]:
    async with serving(world) as opened:
        yield opened


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.png"
    path.write_bytes(pictures.png(40, 30))
    return str(path)


async def run(*arguments: str, **options: Any) -> Result:  # noqa: ANN401
    return await asyncio.to_thread(CliRunner().invoke, main, list(arguments), **options)


@pytest.mark.parametrize("command", [("models",), ("bench", "--clicks", "1"), ("doctor",), ("segment", "PHOTO")])
async def test_keys_do_not_go_in_the_clear(command: tuple[str, ...], photo: str) -> None:
    """Every command refuses to send a key to another machine without TLS, and says what to do; nothing is sent."""
    asked = [photo if part == "PHOTO" else part for part in command]
    point = ("--point", "1,1") if "segment" in command else ()

    result = await run(*asked, *point, "--address", "gateway.invalid:1", "--api-key", "mg_secret")

    assert 2 == result.exit_code, result.output
    assert "--tls" in result.output
    assert "mg_secret" not in result.output


async def test_everything_is_drawn_and_written(served: Served, photo: str, tmp_path: Path) -> None:
    """The picture has the size of the photo; both files hold masks that pycocotools reads, as large as they say."""
    drawn, all_coco, all_sa1b = (tmp_path / name for name in ("all.png", "coco.json", "sa1b.json"))

    result = await run(
        "everything",
        photo,
        "-o",
        str(drawn),
        "--coco",
        str(all_coco),
        "--sa1b",
        str(all_sa1b),
        *SEARCH,
        *("--address", served.address),
    )

    assert 0 == result.exit_code, result.output
    annotations = json.loads(all_coco.read_text())["annotations"]
    assert f"{drawn}: {len(annotations)} masks" in result.output
    with Image.open(drawn) as picture, Image.open(photo) as before:
        assert before.size == picture.size
        assert (np.asarray(picture) != np.asarray(before)).any()
    for annotation in annotations:
        assert annotation["area"] == coco.area(annotation["segmentation"])
        np.testing.assert_array_equal(annotation["bbox"], coco.toBbox(annotation["segmentation"]))
    assert annotations[0]["bbox"] == json.loads(all_sa1b.read_text())["annotations"][0]["bbox"]


async def test_models_are_listed(served: Served) -> None:
    """A line for each model, under a head."""
    result = await run("models", "--address", served.address)

    lines = [line.split() for line in result.output.splitlines()]  # with those that the gateway logs in this process
    assert 0 == result.exit_code
    assert ["model", "state", "precision", "input", "embedding", "points", "weights"] in lines
    assert ["tiny", "(default)", "ready", "fp32", "64"] in [line[:5] for line in lines]


async def test_clicks_that_make_no_sense(served: Served) -> None:
    """A gateway that takes no photos of this size is a sentence and status 2, and no table."""
    result = await run("bench", "--clients", "2", "--clicks", "3", "--address", served.address)

    assert 2 == result.exit_code
    assert "IMAGE_TOO_LARGE" in result.output


async def test_a_wrong_prompt(served: Served, photo: str, tmp_path: Path) -> None:
    """What makes no sense is a sentence and status 2."""
    result = await run(
        "segment", photo, "--point", "999,1", "-o", str(tmp_path / "mask.png"), "--address", served.address
    )

    assert 2 == result.exit_code
    assert "Error: INVALID_PROMPT: points[0] (999, 1) lies outside the image" in result.output
    assert "Traceback" not in result.output


async def test_half_a_certificate(photo: str, tmp_path: Path) -> None:
    """A certificate without its key is refused before anything is asked."""
    result = await run("segment", photo, "--point", "1,1", "--certificate", photo, "-o", str(tmp_path / "mask.png"))

    assert 2 == result.exit_code
    assert "--certificate and --key go together" in result.output


async def test_the_doctor_finds_what_is_wrong(served: Served, world: World) -> None:
    """Each part has a line; what fails has a cure, and the status says so."""
    world.backend.decode_error = BackendUnavailable("Triton is away.")

    result = await run("doctor", "--address", served.address, "--http", "http://127.0.0.1:1")

    assert 1 == result.exit_code
    assert "ok    grpc" in result.output
    assert "ok    model tiny" in result.output
    assert "FAIL  a click        BACKEND_UNAVAILABLE: Triton is away." in result.output
    assert "FAIL  http           http://127.0.0.1:1 does not answer as a gateway" in result.output
    assert "-> start one with `maskgate up`" in result.output
