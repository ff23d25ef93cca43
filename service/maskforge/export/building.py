"""Builds a model's three folders of a Triton model repository.

The folders grow in `.<name>.building` beside their places. A build that is interrupted leaves the parts that were
complete there, and the next one goes on from them; only when all three are complete and within the bounds of parity
do they replace what is served (`export/site.py`).
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import onnx_ir

from maskforge.checkpoints.weights import weights_digest
from maskforge.engines.folders import SPEC_FILE
from maskforge.engines.golden import read_golden, write_golden
from maskforge.engines.profiles import write_profile
from maskforge.export.graphs import OPSET, export_decoder, export_encoder, save_graph
from maskforge.export.parity import Reference, answer_test_card, measure_decoder, measure_encoder, require_parity
from maskforge.export.room import require_disk, require_memory
from maskforge.export.site import building_site, publish
from maskforge.export.test_card import draw_test_card
from maskforge.export.triton_config import TritonModel, render, triton_models
from maskforge.preprocessing import PREPROCESSING_VERSION
from maskforge.sam.config import SamConfig
from maskforge.sam.model import Sam
from maskforge.sam.precision import Precision, lower

VERSIONED: Final = ("maskgate", "torch", "onnx-ir", "onnxscript", "openvino")

Progress = Callable[[str], None]
"""Is told what is done next."""

STEPS: Final = 8
"""So many are told of, less those that an interrupted build has done."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to build.

    Attributes:
        name: The model's name; its folders are `<name>_encoder`, `<name>_decoder` and `<name>_decoder_multi`.
        load: Gives the model in fp32.
        weights: The files that it is loaded from.
        precision: What most of the graphs is computed in.
        repository: The Triton model repository.
        parameters: How many numbers the weights are, to tell how much room the build takes.
        kept: A copy of these weights goes into the encoder's folder, under that name.
    """

    name: str
    load: Callable[[], Sam]
    weights: tuple[Path, ...]
    precision: Precision
    repository: Path
    parameters: int
    kept: str | None = None


def model_parameters(digest: str, precision: Precision) -> dict[str, str]:
    """Return what the gateway reads back from Triton: the parts of an embedding's address."""
    return {"weights_digest": digest, "precision": precision.value, "preprocessing": PREPROCESSING_VERSION}


def build_model(order: Order, progress: Progress) -> list[Path]:
    """Build a model's folders and put them in the place of their predecessors.

    Returns:
        The folders, in the order in which they were published.

    Raises:
        BuildInProgress: Another build of the model is at work.
        CannotWrite: The repository cannot be written.
        InvalidCheckpoint: The weights cannot be read.
        NotEnoughSpace: Disk or memory will not do, or did not.
        ParityFailed: A graph does not compute what the model computes.
    """
    require_disk(order.repository, order.parameters, order.precision)
    require_memory(order.parameters)
    progress("digest of the weights")
    parameters = model_parameters(weights_digest(*order.weights), order.precision)
    progress("load the weights")
    model = order.load().eval()
    with building_site(order.name, order.repository) as site:
        encoder, *decoders = _Parts(order, model, parameters, site, progress).build()
        return publish((*decoders, encoder), order.repository)


class _Parts:
    """The parts of one build; each is skipped if an interrupted build has left it, of the same weights and code."""

    def __init__(self, order: Order, model: Sam, parameters: Mapping[str, str], site: Path, progress: Progress) -> None:
        self._order = order
        self._model = model
        self._site = site
        self._progress = progress
        self._made_of = {"model": order.name, **parameters, "versions": _versions()}
        self._triton = triton_models(order.name, model.config, parameters)

    def build(self) -> list[Path]:
        reference = self._reference(self._triton[0])
        self._progress(f"cast to {self._order.precision}")
        lower(self._model, self._order.precision)
        for triton, fill in zip(self._triton, (self._fill_encoder, self._fill_decoder, self._fill_multi), strict=True):
            folder = self._site / triton.name
            if not self._is_built(triton):
                _empty(folder)
                self._write_spec(triton, fill(folder, triton, reference))
        return [self._site / triton.name for triton in self._triton]

    def _reference(self, encoder: TritonModel) -> Reference:
        """Let the fp32 model answer the test card; its encoding, of minutes for a ViT-H, is done once."""
        known = read_golden(self._site / encoder.name) if self._is_built(encoder) else None
        self._progress("answers of the fp32 model" if known else "answers of the fp32 model, an encoding included")
        card = draw_test_card(self._model.config)
        return answer_test_card(self._model, card, known.image_embeddings if known else None)

    def _fill_encoder(self, folder: Path, triton: TritonModel, reference: Reference) -> Mapping[str, float]:
        self._progress("export the encoder")
        graph = _write(folder, triton, export_encoder(self._model))
        self._progress("compare the encoder with the fp32 model")
        write_golden(folder, reference.golden)
        if self._order.kept:
            shutil.copyfile(self._order.weights[0], folder / self._order.kept)
        return require_parity(measure_encoder(graph, reference), reference.encoder_peak, self._order.precision)

    def _fill_decoder(self, folder: Path, triton: TritonModel, reference: Reference) -> Mapping[str, float]:
        self._progress("export the decoder")
        graph = _write(folder, triton, export_decoder(self._model))
        self._progress("compare the decoder with the fp32 model")
        return require_parity(measure_decoder(graph, reference), reference.decoder_peak, self._order.precision)

    def _fill_multi(self, folder: Path, triton: TritonModel, reference: Reference) -> Mapping[str, float]:
        """Link to the decoder's graph, relatively, so that it is stored once and may be moved."""
        del reference
        _write_config(folder, triton)
        decoder = self._triton[1].name
        (folder / "1" / "model.onnx").symlink_to(Path("..", "..", decoder, "1", "model.onnx"))
        return _parity_of(self._site / decoder)

    def _identity(self, triton: TritonModel) -> dict[str, Any]:
        """Return what a part was made of, its configuration included: a part that other code has made is another."""
        config = hashlib.sha256(render(triton).encode()).hexdigest()
        return {**self._made_of, "config_digest": f"sha256:{config}"}

    def _is_built(self, triton: TritonModel) -> bool:
        """Say whether a part is complete and of this build: its spec is written last."""
        try:
            document = json.loads((self._site / triton.name / SPEC_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return self._identity(triton).items() <= document.items()

    def _write_spec(self, triton: TritonModel, parity: Mapping[str, float]) -> None:
        config = self._model.config
        rest = {"spec": _sizes(config), "architecture": asdict(config), "parity": parity}
        document = self._identity(triton) | rest
        (self._site / triton.name / SPEC_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _versions() -> dict[str, Any]:
    return {"opset": OPSET, **{package: version(package) for package in VERSIONED}}


def _sizes(config: SamConfig) -> dict[str, Any]:
    return {
        "image_size": config.image_size,
        "embedding": [config.embed_dim, config.embedding_size, config.embedding_size],
        "mask_size": config.mask_size,
        "mask_tokens": config.mask_tokens,
    }


def _parity_of(folder: Path) -> Mapping[str, float]:
    figures: Mapping[str, float] = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))["parity"]
    return figures


def _empty(folder: Path) -> None:
    """Make a part's folder, without what an interrupted build has left of it."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "1").mkdir(parents=True)


def _write(folder: Path, triton: TritonModel, graph: onnx_ir.Model) -> Path:
    """Write a part's configuration and graph; return the graph's file."""
    _write_config(folder, triton)
    path = folder / "1" / "model.onnx"
    save_graph(graph, path)
    return path


def _write_config(folder: Path, triton: TritonModel) -> None:
    (folder / "config.pbtxt").write_text(render(triton), encoding="utf-8")
    write_profile(folder, triton)
