"""From one click to the mask at the photo's size: the official ONNX decoder, the reference's predictor, and ours.

    python -m benchmarks.decode

Everything runs in this process on an embedding that is there already: no network, no Triton. Weights are random.
In each of its turns a contender decodes twice, and the second time counts.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np

from benchmarks.decoders import CONFIG, Graph, OfficialDecoder, OurDecoder, ReferenceDecoder, Scene, export_official
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
from benchmarks.reference import SEED, seeded_reference
from maskforge.sam.image_encoder import VitConfig
from maskforge.sam.precision import Precision
from maskgate.domain.image import ImageSize
from maskgate.domain.upscale import upscale

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.measuring import Contender

RESULTS: Final = Path("benchmarks", "results", "decode.json")
SMALLEST_VIT: Final = VitConfig(width=64, depth=1, heads=1, global_blocks=())
"""No image is encoded: all three published sizes have the same decoder."""
PHOTOS: Final = (ImageSize(width=1024, height=768), ImageSize(width=2250, height=1500))
MANY: Final = 8
"""Along a side of the grid: K = 64 prompts on one image."""
MANY_ROUNDS: Final = 3
LEAD_IN: Final = 1
FASTER: Final = Bound(3.0)
NEAR: Final = 0.01
"""Largest difference of our fp32 logits from the official ones, relative, root mean square: they leave as fp16."""

OFFICIAL = "official ONNX decoder, ONNX Runtime fp32"
REFERENCE = "SamPredictor.predict, torch fp32"
OURS = "ours, bf16"
OURS_FP32 = "ours, fp32"
GRAPH_ALONE = "  of which the decoder graph (OpenVINO)"
UPSCALING_ALONE = "  of which upscaling to the photo's size"
AS_ANSWERED = "ours, bf16, up to the runs that a client gets"


@dataclass(frozen=True, slots=True)
class Decoders:
    """What is compared.

    Attributes:
        reference: Meta's model.
        official: Its ONNX export.
        ours: By precision, as served.
        by_slots: In bf16, compiled for one number of slots.
        many: In bf16, for many prompts on one image.
    """

    reference: nn.Module
    official: OfficialDecoder
    ours: dict[Precision, OurDecoder]
    by_slots: dict[int, OurDecoder]
    many: OurDecoder


@click.command()
@click.option("--repeats", default=20, show_default=True, help="Rounds for one prompt; the median counts.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def decode(*, repeats: int, output: Path) -> None:
    """Compare decoders, up to the mask at the photo's size."""
    use_all_cores()
    document: dict[str, Any] = {"unit": "one prompt, in process", "weights": f"random, seed {SEED}"}
    with tempfile.TemporaryDirectory() as folder:
        decoders = prepare(Path(folder))
    document["one_prompt"] = {f"{size.width}x{size.height}": one_prompt(decoders, size, repeats) for size in PHOTOS}
    document["many_prompts"] = many_prompts(decoders, PHOTOS[0])
    write_results({"machine": machine(), **document}, output)
    click.echo(f"The figures are in {output}.")


def prepare(folder: Path) -> Decoders:
    """Export and compile everything; the files are not needed any more afterwards."""
    reference = seeded_reference(SMALLEST_VIT)
    bf16, fp32 = (Graph.export(reference, SMALLEST_VIT, kind, folder) for kind in (Precision.BF16, Precision.FP32))
    return Decoders(
        reference=reference,
        official=OfficialDecoder(export_official(reference, folder / "official.onnx")),
        ours={Precision.BF16: bf16.decoder(), Precision.FP32: fp32.decoder()},
        by_slots={slots: bf16.decoder_of(slots) for slots in (2, 4, 8)},
        many=bf16.decoder_multi(),
    )


def draw_scene(size: ImageSize) -> Scene:
    """Draw an embedding as wide as a trained one's, of standard deviation 1."""
    shape = (1, CONFIG.embed_dim, CONFIG.embedding_size, CONFIG.embedding_size)
    return Scene(size, np.random.default_rng(SEED).standard_normal(shape).astype(np.float16))


def one_prompt(decoders: Decoders, size: ImageSize, rounds: int) -> dict[str, Any]:
    """Measure a click on a photo of that size; print the table and return its figures."""
    scene = draw_scene(size)
    seconds = take_turns(_one_prompt(decoders, scene), rounds, lead_in=LEAD_IN)
    middle = medians(seconds)
    ratios = [
        Ratio("official / ours", middle[OFFICIAL] / middle[OURS], FASTER),
        Ratio("official / ours up to runs", middle[OFFICIAL] / middle[AS_ANSWERED]),
        Ratio("official / ours in fp32", middle[OFFICIAL] / middle[OURS_FP32]),
        Ratio("SamPredictor.predict / ours", middle[REFERENCE] / middle[OURS]),
        Ratio("slots: graph of 8 / graph of 2", middle[_of_slots(8)] / middle[_of_slots(2)]),
    ]
    click.echo(table(f"One prompt to the mask of {size.width} x {size.height} pixels", middle, ratios))
    return _figures(seconds, ratios) | {"logit_difference": _difference(decoders, scene)}


def _one_prompt(decoders: Decoders, scene: Scene) -> dict[str, Contender]:
    clicks = scene.clicks(1)
    ours, official = decoders.ours[Precision.BF16], decoders.official
    reference = ReferenceDecoder(decoders.reference, scene)
    prepared = official.prepare(scene)
    logits = ours.logits(scene, clicks)[0]
    return {
        OFFICIAL: lambda: official.decode(prepared, scene, clicks[0]),
        OURS: lambda: ours.decode(scene, clicks),
        REFERENCE: lambda: reference.decode(clicks[0]),
        GRAPH_ALONE: lambda: ours.logits(scene, clicks),
        UPSCALING_ALONE: lambda: upscale(logits.astype(np.float32), scene.frame),
        AS_ANSWERED: lambda: ours.answer(scene, clicks),
        OURS_FP32: lambda: decoders.ours[Precision.FP32].decode(scene, clicks),
        **{_of_slots(slots): _graph_of(decoder, scene) for slots, decoder in decoders.by_slots.items()},
    }


def _of_slots(slots: int) -> str:
    return f"our decoder graph, bf16, of {slots} slots"


def _graph_of(decoder: OurDecoder, scene: Scene) -> Contender:
    clicks = scene.clicks(1)
    return lambda: decoder.logits(scene, clicks)


def many_prompts(decoders: Decoders, size: ImageSize) -> dict[str, Any]:
    """Measure 64 prompts on one image; print the table and return its figures, both a prompt."""
    scene = draw_scene(size)
    count = len(scene.clicks(MANY))
    seconds = {
        name: [s / count for s in all_] for name, all_ in take_turns(_many(decoders, scene), MANY_ROUNDS).items()
    }
    middle = medians(seconds)
    official, batched, alone, reference = middle.values()
    ratios = [
        Ratio("official, one by one / ours, all at once", official / batched),
        Ratio("official, one by one / ours, one by one", official / alone),
        Ratio("predict_torch / ours, all at once", reference / batched),
    ]
    click.echo(table(f"{count} prompts on one image of {size.width} x {size.height} pixels, a prompt", middle, ratios))
    return {"prompts": count, "photo": f"{size.width}x{size.height}", **_figures(seconds, ratios)}


def _many(decoders: Decoders, scene: Scene) -> dict[str, Contender]:
    clicks = scene.clicks(MANY)
    official, ours = decoders.official, decoders.ours[Precision.BF16]
    reference = ReferenceDecoder(decoders.reference, scene)
    prepared = official.prepare(scene)
    return {
        f"{OFFICIAL}, one by one": lambda: [official.decode(prepared, scene, point) for point in clicks],
        f"{OURS}, all at once (decoder_multi)": lambda: decoders.many.decode(scene, clicks),
        f"{OURS}, one by one": lambda: [ours.decode(scene, [point]) for point in clicks],
        "SamPredictor.predict_torch, torch fp32, all at once": lambda: reference.decode_all(clicks),
    }


def _figures(seconds: dict[str, list[float]], ratios: list[Ratio]) -> dict[str, Any]:
    return {"times": in_milliseconds(seconds), "ratios": {ratio.name: ratio.document() for ratio in ratios}}


def _difference(decoders: Decoders, scene: Scene) -> dict[str, float]:
    """Tell how far our logits are from the official ones, so that nobody compares the speed of different masks.

    Raises:
        RuntimeError: In fp32 they are another mask's.
    """
    (point,) = scene.clicks(1)
    _, expected = decoders.official.decode(decoders.official.prepare(scene), scene, point)
    found = {kind.value: _relative(expected, ours.logits(scene, [point])[0]) for kind, ours in decoders.ours.items()}
    if found[Precision.FP32.value] > NEAR:
        raise RuntimeError(f"the decoders do not compute the same: {found}")
    return found


def _relative(expected: Any, actual: Any) -> float:  # noqa: ANN401 - arrays of two float types
    error = actual.astype(np.float64) - expected
    return round(float(np.sqrt((error**2).mean() / (expected.astype(np.float64) ** 2).mean())), 5)


if __name__ == "__main__":
    decode()
