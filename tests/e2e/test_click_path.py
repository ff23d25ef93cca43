"""What a newcomer sees: real photos, real masks, over both protocols, through the real stack."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from base64 import b64encode
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pycocotools import mask as coco

from maskgate.cli.segment import segment
from maskgate.domain.image import ImageId
from maskgate.domain.output import MaskFormat
from maskgate.domain.prompt import Multimask
from maskgate.domain.timing import CacheTier
from tests.e2e import photos

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    import numpy.typing as npt

    from maskgate.client import Client
    from maskgate.stack import EmbeddedStack


@pytest.mark.parametrize("name", ["cat", "bus", "pizza"])
def test_box_finds_the_object(client: Client, name: str) -> None:
    """A box around an object gives a mask that agrees with what people drew."""
    truth = photos.truth(name)

    answer = client.image(photos.fresh(name)).segment(box=truth.box)

    assert truth.iou(answer.best.pixels) > 0.8


def test_embedding_is_found_nearer_each_time(stack: EmbeddedStack, client: Client) -> None:
    """The first prompt encodes, the next finds the embedding in memory, one after a gateway restart in Valkey."""
    image = client.image(photos.fresh("cat"))
    click = [(160, 180)]
    first, second = (image.segment(points=click) for _ in range(2))
    stack.restart("gateway")
    third = image.segment(points=click)

    assert [CacheTier.MISS, CacheTier.L1, CacheTier.L2] == [
        answer.timing.cache_tier for answer in (first, second, third)
    ]
    assert first.timing.encode > 0
    assert second.timing.encode == third.timing.encode == 0
    assert first.found == second.found == third.found


def test_protocols_agree(client: Client, rest: httpx.Client) -> None:
    """REST answers with the very masks of gRPC, and pycocotools reads them."""
    content = photos.fresh("bus")
    image = client.image(content)
    over_grpc = image.segment(points=[(280, 170), (20, 20)], labels=[1, 0], multimask="all")
    uploaded = rest.post("/v1/images", content=content)
    over_rest = rest.post(
        f"/v1/images/{image.id}:segment",
        json={
            "points": [{"x": 280, "y": 170}, {"x": 20, "y": 20, "label": 0}],
            "multimask": "all",
        },
    ).json()

    assert uploaded.status_code == 201
    assert uploaded.json()["image_id"] == str(image.id)
    assert len(over_rest["masks"]) == 3
    assert [mask.rle.counts for mask in over_grpc.found] == [mask["rle"]["counts"] for mask in over_rest["masks"]]
    assert np.array_equal(over_grpc.best.pixels, coco.decode(over_rest["masks"][0]["rle"]) > 0)


def test_predicted_iou_orders_the_masks(client: Client) -> None:
    """All masks come with the highest predicted IoU first."""
    image = client.image(photos.fresh("pizza"))
    answer = image.segment(points=[(230, 190)], multimask="all")
    ious = [mask.predicted_iou for mask in answer.found]

    assert sorted(ious, reverse=True) == ious


def test_forms_agree(client: Client) -> None:
    """One mask in every form: each says the same pixels, and its logits are what they were made of."""
    image = client.image(photos.fresh("cat"))
    truth = photos.truth("cat")

    answer = image.segment(box=truth.box, formats=MaskFormat)

    (mask,) = answer.found
    assert mask.png is not None
    assert mask.cropped_png is not None
    assert mask.polygons is not None
    assert mask.low_res_logits is not None
    assert truth.iou(mask.pixels) > 0.8
    np.testing.assert_array_equal(mask.pixels, pixels_of(mask.png))
    crop = pixels_of(mask.cropped_png.png)
    x, y = mask.cropped_png.x, mask.cropped_png.y
    np.testing.assert_array_equal(mask.pixels[y : y + crop.shape[0], x : x + crop.shape[1]], crop)
    assert mask.area == crop.sum() == sum(polygon.area for polygon in mask.polygons)
    side = mask.low_res_logits.side
    logits = np.frombuffer(mask.low_res_logits.data, "<f2").reshape(side, side)
    assert (256, 256, 163) == (side, mask.low_res_logits.valid_width, mask.low_res_logits.valid_height)
    assert mask.stability_score == pytest.approx((logits[:163] > 1).sum() / (logits[:163] > -1).sum())
    assert answer.timing.postprocess > 0


def test_masks_are_refined(client: Client) -> None:
    """The logits of an answer, handed back with a second click, give another mask, and nothing is encoded."""
    image = client.image(photos.fresh("cat"))
    first = image.segment(points=[(160, 180)], formats=["low_res_logits"])
    assert first.best.low_res_logits is not None
    both, source = [(160, 180), (80, 250)], first.best.low_res_logits

    refined = image.segment(points=both, mask=source)
    unaided = image.segment(points=both)
    again = image.segment(mask=source)

    assert [CacheTier.L1] * 3 == [answer.timing.cache_tier for answer in (refined, unaided, again)]
    assert 0 == refined.timing.encode
    assert refined.best.area > 0
    assert not np.array_equal(first.best.pixels, refined.best.pixels)
    assert not np.array_equal(unaided.best.pixels, refined.best.pixels)
    assert overlap(first.best.pixels, again.best.pixels) > 0.5


def test_masks_are_refined_by_handle(client: Client, rest: httpx.Client, stack: EmbeddedStack) -> None:
    """A handle refines as its logits do, over both protocols, and after a restart of the gateway still does."""
    image = client.image(photos.fresh("cat"))
    first = image.segment(points=[(160, 180)], formats=["low_res_logits"]).best
    assert first.handle is not None
    assert first.low_res_logits is not None
    both = [(160, 180), (80, 250)]

    expected = image.segment(points=both, mask=first.low_res_logits).best
    refined = image.segment(points=both, mask=first.handle).best
    points = [{"x": x, "y": y} for x, y in both]
    body = {"points": points, "mask": {"mask_handle": str(first.handle)}}
    over_rest = rest.post(f"/v1/images/{image.id}:segment", json=body).json()
    stack.restart("gateway")
    elsewhere = image.segment(points=both, mask=first.handle).best

    assert expected.rle is not None
    assert expected == refined
    assert expected.rle.counts == over_rest["masks"][0]["rle"]["counts"]
    assert overlap(expected.pixels, elsewhere.pixels) > 0.97


def test_a_drawn_mask_is_taken(client: Client, rest: httpx.Client) -> None:
    """What people drew as PNG, alone, over REST: the mask that comes back is of the same object."""
    truth = photos.truth("cat")
    image = client.image(photos.fresh("cat"))
    buffer = io.BytesIO()
    Image.fromarray(truth.pixels.astype(np.uint8) * 255).save(buffer, "PNG")
    body = {"mask": {"png": b64encode(buffer.getvalue()).decode()}, "multimask": "single"}

    answer = rest.post(f"/v1/images/{image.id}:segment", json=body)

    assert 200 == answer.status_code, answer.text
    assert truth.iou(coco.decode(answer.json()["masks"][0]["rle"]) > 0) > 0.5


def overlap(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_tokens_and_the_stable_rule(client: Client) -> None:
    """The best mask is the one of the ambiguous output with its token; the stable rule takes it or the single one."""
    image = client.image(photos.fresh("pizza"))
    click = [(230, 190)]
    best, single, every, stable = (image.segment(points=click, multimask=rule).found for rule in Multimask)

    assert best[0].token == every[0].token
    assert best[0].predicted_iou == pytest.approx(every[0].predicted_iou, abs=0.01)
    assert [1, 2, 3] == sorted(mask.token for mask in every)
    assert 0 == single[0].token
    assert stable[0].token in (0, best[0].token)


def pixels_of(png: bytes) -> npt.NDArray[np.bool_]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image) > 0


def test_png_is_the_best_mask(rest: httpx.Client) -> None:
    """`Accept: image/png` answers with the best mask at the size of the photo."""
    content = photos.fresh("cat")
    rest.post("/v1/images", files={"file": ("cat.jpg", content, "image/jpeg")}).raise_for_status()
    url = f"/v1/images/{ImageId.of(content)}:segment"
    body = {"points": [{"x": 160, "y": 180}]}
    as_json = rest.post(url, json=body).json()["masks"][0]
    as_png = rest.post(url, json=body, headers={"Accept": "image/png"})
    with Image.open(io.BytesIO(as_png.content)) as image:
        pixels = np.asarray(image)

    assert as_png.headers["content-type"] == "image/png"
    assert np.array_equal(coco.decode(as_json["rle"]) * 255, pixels)


def test_exif_rotated_photo_is_segmented_as_it_is_shown(client: Client) -> None:
    """A photo that is stored lying and shown upright takes coordinates of the upright one."""
    truth = photos.truth("cat")
    with Image.open(photos.FOLDER / "cat.jpg") as photo:
        lying = photo.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 270 degrees counter-clockwise to show
    buffer = io.BytesIO()
    lying.save(buffer, "JPEG", quality=95, exif=exif)

    answer = client.image(buffer.getvalue()).segment(box=truth.box)

    assert truth.pixels.shape == answer.best.pixels.shape
    assert truth.iou(answer.best.pixels) > 0.8


def test_command_line_writes_a_mask(stack: EmbeddedStack, tmp_path: Path) -> None:
    """`maskgate segment` writes the mask of a photo as a PNG, and draws it."""
    output, overlay, polygons = (tmp_path / name for name in ("mask.png", "overlay.png", "mask.json"))
    finished = _maskgate(
        "segment",
        *("docs/photos/cat.jpg", "--point", "160,180", "--box", "0,28,332,324"),
        *("-o", str(output), "--overlay", str(overlay), "--polygons", str(polygons), "--tolerance", "1"),
        *("--address", str(stack.endpoints.grpc)),
    )

    assert finished.returncode == 0, finished.stderr
    with Image.open(output) as mask, Image.open(overlay) as drawn:
        assert (512, 326) == mask.size == drawn.size
        assert photos.truth("cat").iou(np.asarray(mask) > 0) > 0.7
    outlines = json.loads(polygons.read_text())
    assert "MultiPolygon" == outlines["type"]
    assert all(ring[0] == ring[-1] for part in outlines["coordinates"] for ring in part)


def test_command_line_explains_itself() -> None:
    """`maskgate segment` with nobody to ask says so in one line."""
    finished = _maskgate("segment", "docs/photos/cat.jpg", "--point", "1,1", "--address", "127.0.0.1:1")

    assert finished.returncode == 1
    assert "Error: no gateway answers at 127.0.0.1:1; start one with `maskgate up`" == finished.stderr.strip()


def test_demo_shows_each_tier(tmp_path: Path) -> None:
    """`maskgate demo` runs a stack of its own, shows miss, L1 and L2, draws pictures, and ends well."""
    finished = _maskgate("demo", "--output", str(tmp_path))
    rows = json.loads((tmp_path / "demo.json").read_text())

    assert finished.returncode == 0, finished.stderr
    assert ["miss", "l1", "l1", "l2", "l1", "l1"] == [row["cache_tier"] for row in rows]
    assert {"gRPC", "REST"} == {row["protocol"] for row in rows}
    assert len(rows) == len(list(tmp_path.glob("[0-9]-*.png")))
    assert (tmp_path / "demo.png").is_file()
    assert all(row["request"] in finished.stdout for row in rows)


def _maskgate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maskgate", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_command_line_starts_from_a_mask(stack: EmbeddedStack, tmp_path: Path) -> None:
    """What `maskgate segment` has written it can start from, by itself."""
    once, again = tmp_path / "once.png", tmp_path / "again.png"
    asked = ["docs/photos/cat.jpg", "--address", str(stack.endpoints.grpc)]

    results = [
        CliRunner().invoke(segment, [*asked, *options, "-o", str(written)])
        for options, written in ((["--box", "0,28,332,324", "--stable"], once), (["--mask", str(once)], again))
    ]

    assert [0, 0] == [result.exit_code for result in results], [result.output for result in results]
    assert overlap(*(np.asarray(Image.open(path)) > 0 for path in (once, again))) > 0.5
