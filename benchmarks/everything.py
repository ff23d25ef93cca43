"""Everything in a photo: `SamAutomaticMaskGenerator` in torch fp32, and GenerateMasks through the whole stack.

    python -m benchmarks.everything

Both have lite0's trained weights, as thresholds mean nothing with random ones. The reference computes in this process
with every core; ours is Valkey, Triton and the gateway, asked over gRPC, with the embedding cached. The reference is
run once: it takes minutes.
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
from maskgate.transport.grpc._pb.generation_pb2_grpc import GenerationServiceStub
from tests.golden.amg import generator
from tests.golden.reference import ReferenceSam, modeling

if TYPE_CHECKING:
    from maskforge.sam.model import Sam

RESULTS: Final = Path("benchmarks", "results", "everything.json")
PHOTO: Final = Path("docs", "photos", "bus.jpg")
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


@dataclass(frozen=True, slots=True)
class Found:
    """Masks bool [H,W] of a photo."""

    masks: list[Bools]

    def matched_in(self, others: Found) -> float:
        """Return the share of these that have one nearly the same among others; of no masks, none."""
        near = [max((_iou(mask, other) for other in others.masks), default=0.0) for mask in self.masks]
        return float(np.mean([iou >= SAME for iou in near])) if near else 0.0


@click.command()
@click.option("--points", default=32, show_default=True, help="Along a side of the grid.")
@click.option("--width", default=1024, show_default=True, help="Of the photo, in pixels.")
@click.option("--repeats", default=3, show_default=True, help="Rounds of ours; the median counts.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def everything(*, points: int, width: int, repeats: int, output: Path) -> None:
    """Compare both on one photo."""
    use_all_cores()
    photo = _photo(width)
    ours, found = _ours(photo, points, repeats)
    reference, expected = _reference(photo, points)
    seconds = {**reference, OURS: ours}
    middle = medians(seconds)
    ratios = [
        Ratio("reference / ours, embedding there", middle[REFERENCE] / middle[OURS], FASTER),
        Ratio("reference's masks that ours has (IoU >= .95)", expected.matched_in(found), MATCHED),
        Ratio("our masks that the reference has (IoU >= .95)", found.matched_in(expected), MATCHED),
    ]
    title = f"Everything in a photo of {photo.width} x {photo.height}, {points} x {points} points"
    click.echo(table(title, middle, ratios))
    document = {
        "photo": f"{PHOTO.name}, scaled to {photo.width}x{photo.height}",
        "points": f"{points}x{points}",
        "weights": "lite0, trained",
        "thresholds": THRESHOLDS,
        "masks": {"reference": len(expected.masks), "ours": len(found.masks)},
        "times": in_milliseconds(seconds),
        "ratios": {ratio.name: ratio.document() for ratio in ratios},
    }
    write_results({"machine": machine(), **document}, output)
    click.echo(f"The figures are in {output}.")


def _photo(width: int) -> Image.Image:
    with Image.open(PHOTO) as photo:
        return photo.convert("RGB").resize((width, round(photo.height * width / photo.width)), Image.Resampling.BICUBIC)


def _ours(photo: Image.Image, points: int, repeats: int) -> tuple[list[float], Found]:
    config = StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0)
    with EmbeddedStack(config, announce=click.echo) as stack, Client(str(stack.endpoints.grpc)) as client:
        image_id = str(client.image(_png(photo)).id)
        options = (("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1))
        with grpc.insecure_channel(str(stack.endpoints.grpc), options=options) as channel:
            _generate(channel, image_id, 8)  # encodes the photo, and makes what is made once
            rounds = [_generate(channel, image_id, points) for _ in range(repeats)]
    return [seconds for seconds, _ in rounds], rounds[-1][1]


def _generate(channel: grpc.Channel, image_id: str, points: int) -> tuple[float, Found]:
    request = pb.GenerateMasksRequest(image_id=image_id, points_per_side=points, **THRESHOLDS)
    began = time.perf_counter()
    stub = GenerationServiceStub(channel)  # type: ignore[no-untyped-call]
    events = list(stub.GenerateMasks(request, timeout=PATIENCE))
    seconds = time.perf_counter() - began
    click.echo(f"  ours: {seconds:.1f} s; {str(events[-1].summary.timing).replace(chr(10), ', ')}")
    rles = [event.mask.mask.rle for event in events if event.WhichOneof("event") == "mask"]
    return seconds, Found([Rle(rle.height, rle.width, rle.counts).decode() for rle in rles])


def _png(photo: Image.Image) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    return buffer.getvalue()


def _reference(photo: Image.Image, points: int) -> tuple[dict[str, list[float]], Found]:
    amg = generator(reference_lite0(load_lite0(WEIGHTS)), points_per_side=points, **THRESHOLDS)
    pixels = np.asarray(photo)
    with torch.no_grad():
        amg.predictor.set_image(pixels)
        began = time.perf_counter()
        amg.predictor.set_image(pixels)
        encode = time.perf_counter() - began
    began = time.perf_counter()
    records = amg.generate(pixels)
    whole = time.perf_counter() - began
    times = {REFERENCE: [whole - encode], REFERENCE_ENCODE: [encode]}
    return times, Found([record["segmentation"] for record in records])


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


def _iou(one: Bools, other: Bools) -> float:
    return int(np.count_nonzero(one & other)) / int(np.count_nonzero(one | other))


if __name__ == "__main__":
    everything()
