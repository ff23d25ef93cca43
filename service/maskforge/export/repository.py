"""Writes a model's folders into a Triton model repository."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import torch

from maskforge.checkpoints.weights import weights_digest
from maskforge.export.graphs import OPSET, export_decoder, export_encoder
from maskforge.export.half_storage import store_weights_as_half
from maskforge.export.triton_config import TritonModel, render, triton_models
from maskforge.preprocessing import PREPROCESSING_VERSION
from maskforge.sam.config import SamConfig
from maskforge.sam.model import Sam

PRECISION = "bf16"
"""How the graphs are run where the hardware can."""

WEIGHTS_FILE = "weights.safetensors"


def model_parameters(weights: Path) -> dict[str, str]:
    """Return what the gateway reads back from Triton: the parts of an embedding's address."""
    return {
        "weights_digest": weights_digest(weights),
        "precision": PRECISION,
        "preprocessing": PREPROCESSING_VERSION,
    }


def build_repository(name: str, model: Sam, weights: Path, repository: Path) -> list[Path]:
    """Write `<name>_encoder`, `<name>_decoder` and `<name>_decoder_multi`; return the folders.

    Args:
        name: The model's name.
        model: The model, with the weights loaded.
        weights: The file that they came from; a copy goes to the encoder's folder.
        repository: Where the folders go; each replaces its predecessor at once.
    """
    parameters = model_parameters(weights)
    encoder, decoder, multi = triton_models(name, model.config, parameters)
    with _replacing(repository / encoder.name) as folder:
        _write(folder, encoder, export_encoder(model))
        _write_spec(folder, name, model.config, parameters)
        shutil.copyfile(weights, folder / WEIGHTS_FILE)
    with _replacing(repository / decoder.name) as folder:
        _write(folder, decoder, export_decoder(model))
    with _replacing(repository / multi.name) as folder:
        _write_linked(folder, multi, decoder)
    return [repository / triton.name for triton in (encoder, decoder, multi)]


def spec_document(name: str, config: SamConfig, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the contents of `maskgate.json`."""
    sizes = {
        "image_size": config.image_size,
        "embedding": [config.embed_dim, config.embedding_size, config.embedding_size],
        "mask_size": config.mask_size,
        "mask_tokens": config.mask_tokens,
    }
    versions = {"torch": torch.__version__, "onnx": onnx.__version__, "opset": OPSET}
    return {
        "model": name,
        **parameters,
        "spec": sizes,
        "architecture": asdict(config),
        "versions": versions,
    }


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder`, and put it in its place once it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        fresh, stale = Path(scratch, "fresh"), Path(scratch, "stale")
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.replace(stale)
        fresh.replace(folder)


def _write(folder: Path, triton: TritonModel, graph: onnx.ModelProto) -> None:
    _write_config(folder, triton)
    onnx.save(store_weights_as_half(graph), folder / "1" / "model.onnx")


def _write_linked(folder: Path, triton: TritonModel, original: TritonModel) -> None:
    """Write a model whose graph is another's: a relative link, so that it is stored once."""
    _write_config(folder, triton)
    target = Path("..", "..", original.name, "1", "model.onnx")
    (folder / "1" / "model.onnx").symlink_to(target)


def _write_config(folder: Path, triton: TritonModel) -> None:
    (folder / "1").mkdir()
    (folder / "config.pbtxt").write_text(render(triton), encoding="utf-8")


def _write_spec(folder: Path, name: str, config: SamConfig, parameters: Mapping[str, str]) -> None:
    document = json.dumps(spec_document(name, config, parameters), indent=2)
    (folder / "maskgate.json").write_text(document + "\n", encoding="utf-8")
