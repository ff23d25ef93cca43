"""Everything in photos: `SamAutomaticMaskGenerator` in torch fp32, and GenerateMasks through the whole stack.

    python -m benchmarks.everything

Both have lite0's trained weights, as thresholds mean nothing with random ones. The reference computes in this process
with every core; ours is Valkey, Triton and the gateway, asked over gRPC, with the embedding cached. The reference is
run once on each photo: it takes minutes.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import grpc
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.measuring import Bound, Ratio, in_milliseconds, machine, medians, table, use_all_cores, write_results
from maskforge.lite0.encoder import PIXEL_MEAN, PIXEL_SCALE
from maskforge.lite0.model import LITE0, WEIGHTS_FILE, load_lite0
from maskgate.client import Client
from maskgate.domain.rle import Rle
from maskgate.stack import EmbeddedStack, StackConfig
from maskgate.transport.grpc._pb import generation_pb2 as pb
from maskgate.transport.grpc._pb import segmentation_pb2
from maskgate.transport.grpc._pb.generation_pb2_grpc import GenerationServiceStub
from tests.golden.amg import generator
from tests.golden.reference import ReferenceSam, modeling

if TYPE_CHECKING:
    from maskforge.sam.model import Sam

RESULTS: Final = Path("benchmarks", "results", "everything.json")
PHOTOS: Final = Path("docs", "photos")
NAMES: Final = ("bus", "cat", "pizza")
WEIGHTS: Final = Path("model_repository", "lite0_encoder", WEIGHTS_FILE)
THRESHOLDS: Final[dict[str, Any]] = {"pred_iou_thresh": 0.3, "stability_score_thresh": 0.5}
"""Much lower than the defaults, by which lite0 finds nothing: so that there are masks to compare."""
FASTER: Final = Bound(12.0)
MATCHED: Final = Bound(0.98)
SAME: Final = 0.95
"""IoU of masks that count as the same."""
PATIENCE: Final = 600.0

REFERENCE = "SamAutomaticMaskGenerator, torch fp32, without its encoder"
REFERENCE_ENCODE = "  its encoder (set_image)"
OURS = "GenerateMasks over gRPC, embedding cached"

Bools = npt.NDArray[np.bool_]
Found = dict[str, list["Mask"]]
"""By the names of photos."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask bool [H,W] of a photo, and by how much it passed the filters."""

    pixels: Bools
    predicted_iou: float
    stability_score: float

    def unlike(self, iou: float) -> dict[str, float]:
        """Describe one whose nearest mask on the other side has a low IoU."""
        scores = {"predicted_iou": self.predicted_iou, "stability_score": self.stability_score, "nearest_iou": iou}
        return {name: round(value, 4) for name, value in scores.items()}


@dataclass(frozen=True, slots=True)
class Photo:
    """One of docs/photos."""

    name: str
    image: Image.Image

    @classmethod
    def read(cls, name: str, width: int) -> Photo:
        """Scale it to a width."""
        with Image.open(PHOTOS / f"{name}.jpg") as photo:
            size = (width, round(photo.height * width / photo.width))
            return cls(name, photo.convert("RGB").resize(size, Image.Resampling.BICUBIC))

    def __str__(self) -> str:
        return f"{self.name}.jpg, scaled to {self.image.width}x{self.image.height}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one side has found in all photos, each mask with the IoU of the nearest one of the other side."""

    nearest: list[tuple[Mask, float]]

    @classmethod
    def of(cls, found: Found, others: Found) -> Comparison:
        """Look for each mask among those of the same photo."""
        pairs = [(mask, others[name]) for name, masks in found.items() for mask in masks]
        return cls([(mask, max((_iou(mask, other) for other in rest), default=0.0)) for mask, rest in pairs])

    @property
    def matched(self) -> float:
        """The share that has one nearly the same; of no masks, none."""
        return float(np.mean([iou >= SAME for _, iou in self.nearest])) if self.nearest else 0.0

    @property
    def unmatched(self) -> list[dict[str, float]]:
        """Those that have none."""
        return [mask.unlike(iou) for mask, iou in self.nearest if iou < SAME]


@click.command()
@click.option("--points", default=32, show_default=True, help="Along a side of the grid.")
@click.option("--width", default=1024, show_default=True, help="Of each photo, in pixels.")
@click.option(
    "--photo", "names", multiple=True, type=click.Choice(NAMES), default=NAMES, help="All three, if not told."
)
@click.option("--repeats", default=3, show_default=True, help="Rounds of ours on each photo; the median counts.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def everything(*, points: int, width: int, names: tuple[str, ...], repeats: int, output: Path) -> None:
    """Compare both on some photos."""
    use_all_cores()
    photos = [Photo.read(name, width) for name in names]
    ours, found = _ours(photos, points, repeats)
    reference, expected = _reference(photos, points)
    seconds = {**reference, OURS: ours}
    middle = medians(seconds)
    there, back = Comparison.of(expected, found), Comparison.of(found, expected)
    ratios = [
        Ratio("reference / ours, embedding there", middle[REFERENCE] / middle[OURS], FASTER),
        Ratio("reference's masks that ours has (IoU >= .95)", there.matched, MATCHED),
        Ratio("our masks that the reference has (IoU >= .95)", back.matched, MATCHED),
    ]
    click.echo(table(f"Everything in {len(photos)} photos, {points} x {points} points", middle, ratios))
    document = {
        "photos": [str(photo) for photo in photos],
        "points": f"{points}x{points}",
        "weights": "lite0, trained",
        "thresholds": THRESHOLDS,
        "masks": {"reference": len(there.nearest), "ours": len(back.nearest)},
        "unmatched": {"reference": there.unmatched, "ours": back.unmatched},
        "times": in_milliseconds(seconds),
        "ratios": {ratio.name: ratio.document() for ratio in ratios},
    }
    write_results({"machine": machine(), **document}, output)
    click.echo(f"The figures are in {output}.")


def _ours(photos: list[Photo], points: int, repeats: int) -> tuple[list[float], Found]:
    config = StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0)
    with EmbeddedStack(config, announce=click.echo) as stack, Client(str(stack.endpoints.grpc)) as client:
        ids = {photo.name: str(client.image(_png(photo.image)).id) for photo in photos}
        options = (("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1))
        with grpc.insecure_channel(str(stack.endpoints.grpc), options=options) as channel:
            for image_id in ids.values():
                _generate(channel, image_id, 8)  # encodes the photo, and makes what is made once
            rounds = [(name, _generate(channel, ids[name], points)) for _ in range(repeats) for name in ids]
    return [seconds for _, (seconds, _) in rounds], {name: masks for name, (_, masks) in rounds}


def _generate(channel: grpc.Channel, image_id: str, points: int) -> tuple[float, list[Mask]]:
    request = pb.GenerateMasksRequest(image_id=image_id, points_per_side=points, **THRESHOLDS)
    began = time.perf_counter()
    stub = GenerationServiceStub(channel)  # type: ignore[no-untyped-call]
    events = list(stub.GenerateMasks(request, timeout=PATIENCE))
    seconds = time.perf_counter() - began
    click.echo(f"  ours: {seconds:.1f} s; {str(events[-1].summary.timing).replace(chr(10), ', ')}")
    found = [event.mask.mask for event in events if event.WhichOneof("event") == "mask"]
    return seconds, [_mask(mask) for mask in found]


def _mask(mask: segmentation_pb2.Mask) -> Mask:
    pixels = Rle(mask.rle.height, mask.rle.width, mask.rle.counts).decode()
    return Mask(pixels, mask.predicted_iou, mask.stability_score)


def _png(photo: Image.Image) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    return buffer.getvalue()


def _reference(photos: list[Photo], points: int) -> tuple[dict[str, list[float]], Found]:
    amg = generator(reference_lite0(load_lite0(WEIGHTS)), points_per_side=points, **THRESHOLDS)
    times: dict[str, list[float]] = {REFERENCE: [], REFERENCE_ENCODE: []}
    found = {}
    for photo in photos:
        pixels = np.asarray(photo.image)
        encode = _encoding(amg, pixels)
        began = time.perf_counter()
        records = amg.generate(pixels)
        times[REFERENCE].append(time.perf_counter() - began - encode)
        times[REFERENCE_ENCODE].append(encode)
        click.echo(f"  the reference: {times[REFERENCE][-1]:.1f} s")
        found[photo.name] = [
            Mask(record["segmentation"], record["predicted_iou"], record["stability_score"]) for record in records
        ]
    return times, found


def _encoding(amg: Any, pixels: npt.NDArray[np.uint8]) -> float:  # noqa: ANN401 - the reference has no types
    with torch.no_grad():
        amg.predictor.set_image(pixels)
        began = time.perf_counter()
        amg.predictor.set_image(pixels)
    return time.perf_counter() - began


def reference_lite0(model: Sam) -> nn.Module:
    """Put lite0's weights into the reference's prompt encoder and mask decoder, beside its own encoder and prompt map.

    So all but the image encoder and the small map is the reference's code.
    """
    rest = ReferenceSam(LITE0)
    names = rest.state_dict().keys()
    rest.load_state_dict({name: weight for name, weight in model.state_dict().items() if name in names})
    return (
        modeling()
        .Sam(
            _Encoder(model),
            _Prompts(rest.prompt_encoder, model.prompt_map),
            rest.mask_decoder,
            pixel_mean=list(PIXEL_MEAN),
            pixel_std=list(PIXEL_SCALE),
        )
        .eval()
    )


class _Encoder(nn.Module):
    """lite0's, after the reference has normalised the pixels and padded them."""

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.img_size = model.config.image_size
        self._inner: Any = model.image_encoder

    def forward(self, image: Tensor) -> Tensor:
        embedding: Tensor = self._inner.neck(self._inner.trunk(image))
        return embedding


class _Prompts(nn.Module):
    """The reference's prompt encoder, and lite0's drawing of the prompt."""

    def __init__(self, inner: nn.Module, prompt_map: nn.Module) -> None:
        super().__init__()
        self._inner: Any = inner
        self._map: Any = prompt_map

    def forward(self, points: tuple[Tensor, Tensor], boxes: None, masks: None) -> tuple[Tensor, Tensor]:
        sparse, dense = self._inner(points, boxes, masks)
        coords, labels = points
        side = dense.shape[-1]
        drawn = self._map(coords.float(), labels, LITE0.image_size, side)
        return sparse, dense + drawn.mT.unflatten(2, (side, side))

    def get_dense_pe(self) -> Tensor:
        grid: Tensor = self._inner.get_dense_pe()
        return grid


def _iou(one: Mask, other: Mask) -> float:
    either = np.count_nonzero(one.pixels | other.pixels)
    return int(np.count_nonzero(one.pixels & other.pixels)) / int(either)


if __name__ == "__main__":
    everything()
