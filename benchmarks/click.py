"""One click on a photo that is encoded already: over gRPC, beside decoders that run in this process.

    python -m benchmarks.click

The service is asked by the client of this process over loopback, and answers with runs. The official decoder answers
with pixels, as a viewer of its own would use it. A second service has a decoder that answers at once with a disc.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np

from benchmarks import instant_model
from benchmarks.building import build
from benchmarks.decoders import Graph, OfficialDecoder, Scene, export_official
from benchmarks.encoders import PHOTO
from benchmarks.grpc_clicks import GrpcClicks
from benchmarks.measuring import (
    Bound,
    Ratio,
    in_milliseconds,
    machine,
    medians,
    table,
    take_turns,
    use_all_cores,
    write_results,
)
from benchmarks.reference import vit_of
from benchmarks.service import CENTRE, MODEL, PATIENCE, WEIGHTS, calm_reference, embeddings, photos, running
from maskforge.sam.precision import Precision
from maskgate.domain.rle import Rle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.decoders import OurDecoder
    from benchmarks.measuring import Contender
    from benchmarks.service import Service
    from maskgate.transport.grpc._pb import segmentation_pb2 as pb

RESULTS: Final = Path("benchmarks", "results", "click.json")
INSTANT: Final = "instant"
LEAD_IN: Final = 2
LEAST_IOU: Final = 0.9
"""Of our mask in bf16 and the official one: no mask of random weights has a border that all precisions agree on."""

OURS = "the service over gRPC, up to the runs"
OFFICIAL = "official ONNX decoder in process, ONNX Runtime fp32"
BARE = "our decoder graph alone in process (OpenVINO, bf16)"
WRITTEN = "our decoder graph in process, up to the runs"
WITHOUT = "the service over gRPC with an instant decoder"

HALF: Final = Bound(0.5, at_least=False)
LITTLE_ON_TOP: Final = Bound(2.0, at_least=False)
SMALL: Final = Bound(200.0, at_least=False)


@dataclass(frozen=True, slots=True)
class InProcess:
    """What decodes in this process."""

    scene: Scene
    official: OfficialDecoder
    ours: OurDecoder

    def contenders(self) -> dict[str, Contender]:
        """Click in the middle of the photo."""
        clicks = self.scene.clicks(1)
        prepared = self.official.prepare(self.scene)
        return {
            OFFICIAL: lambda: self.official.decode(prepared, self.scene, clicks[0]),
            BARE: lambda: self.ours.logits(self.scene, clicks),
            WRITTEN: lambda: self.ours.answer(self.scene, clicks),
        }


@dataclass(frozen=True, slots=True)
class Served:
    """A service, and clicks on it."""

    service: Service
    clicks: GrpcClicks

    def click(self) -> pb.SegmentResponse:
        """Click in the middle of the photo."""
        return self.clicks(str(self.service.images[0]), CENTRE)


@click.command()
@click.option("--repeats", default=60, show_default=True, help="Rounds; the median counts.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def main(*, repeats: int, output: Path) -> None:
    """Compare a click over gRPC with decoders in process."""
    use_all_cores()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        in_process, ours = prepare(Path(folder), opened)
        repository = instant_model.write_repository(Path(folder, INSTANT), model=INSTANT)
        instant = open_service(INSTANT, repository, opened)
        document = measure(in_process, {OURS: ours, WITHOUT: instant}, repeats)
    write_results({"machine": machine(), **document}, output)
    click.echo(f"The figures are in {output}.")


def prepare(folder: Path, opened: ExitStack) -> tuple[InProcess, Served]:
    """Put the same weights everywhere; the files are not needed any more afterwards."""
    reference = calm_reference()
    graph = Graph.export(reference, vit_of(MODEL, depth=1), Precision.BF16, folder)
    in_process = InProcess(
        Scene(PHOTO, embeddings(reference, photos(1))[0]),
        OfficialDecoder(export_official(reference, folder / "official.onnx", PHOTO)),
        graph.decoder(),
    )
    build(MODEL, reference, folder / "models")
    return in_process, open_service(MODEL, folder / "models", opened)


def open_service(model: str, repository: Path, opened: ExitStack) -> Served:
    """Run a stack that knows the photo, and connect to it."""
    service = opened.enter_context(running(model, repository, photos(1)))
    return Served(service, opened.enter_context(closing(GrpcClicks(service.grpc, timeout=PATIENCE))))


def measure(in_process: InProcess, served: Mapping[str, Served], rounds: int) -> dict[str, Any]:
    """Let all take turns; print the table and return its figures."""
    ours = served[OURS]
    overlap = require_same_mask(in_process, ours)
    before = ours.service.decodes()
    clicks: dict[str, Contender] = {name: it.click for name, it in served.items()}
    seconds = take_turns({**in_process.contenders(), **clicks}, rounds, lead_in=LEAD_IN)
    sent = ours.service.decodes().each_since(before)
    middle = medians(seconds)
    ratios = _ratios(middle, sent)
    click.echo(table(f"A click on a photo of {PHOTO.width} x {PHOTO.height} pixels", middle, ratios))
    return {
        "unit": "one click on an encoded photo",
        "photo": f"{PHOTO.width}x{PHOTO.height}",
        "weights": WEIGHTS,
        "mask_iou": round(overlap, 4),
        "answer": _answer(ours),
        "times": in_milliseconds(seconds),
        "ratios": {ratio.name: ratio.document() for ratio in ratios},
    }


def _ratios(middle: Mapping[str, float], sent: float) -> list[Ratio]:
    return [
        Ratio("service / official", middle[OURS] / middle[OFFICIAL], HALF),
        Ratio("service - graph alone", 1e3 * (middle[OURS] - middle[BARE]), LITTLE_ON_TOP, "ms"),
        Ratio("service - graph up to the runs", 1e3 * (middle[OURS] - middle[WRITTEN]), unit="ms"),
        Ratio("service with an instant decoder", 1e3 * middle[WITHOUT], unit="ms"),
        Ratio("bytes from the gateway to Triton", sent / 1e3, SMALL, "kB"),
    ]


def _answer(served: Served) -> dict[str, Any]:
    """Describe the service's answer: how long it takes to write depends on the mask."""
    answer = served.click()
    (mask,) = answer.masks
    rle = _rle(answer)
    runs = int((np.diff(rle.decode().ravel(order="F").astype(np.int8)) > 0).sum())
    return {"runs": runs, "rle_bytes": len(rle.counts), "area": mask.area}


def require_same_mask(in_process: InProcess, served: Served) -> float:
    """Return the IoU of the official mask and the service's.

    Raises:
        RuntimeError: They are different masks, and their speed says nothing.
    """
    scene = in_process.scene
    expected, _ = in_process.official.decode(in_process.official.prepare(scene), scene, scene.clicks(1)[0])
    found = _rle(served.click()).decode()
    overlap = float((expected & found).sum() / (expected | found).sum())
    if overlap < LEAST_IOU:
        raise RuntimeError(f"the masks are not the same: IoU {overlap:.3f}")
    return overlap


def _rle(answer: pb.SegmentResponse) -> Rle:
    rle = answer.masks[0].rle
    return Rle(rle.height, rle.width, rle.counts)


if __name__ == "__main__":
    main()
