"""A labeller on disk: one file of safetensors, whose metadata hold the names."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from maskforge.errors import InvalidCheckpoint
from maskforge.semantics.head import LabelHead
from maskforge.semantics.learning import Labeller
from maskforge.semantics.vocabulary import Label

LABELS_FILE: Final = "labels.safetensors"
"""Under this name it lies beside the weights whose embeddings it was learnt from."""


def save_labeller(labeller: Labeller, path: Path) -> None:
    """Write a labeller, all or nothing."""
    about = {"labels": json.dumps([asdict(label) for label in labeller.labels]), "threshold": repr(labeller.threshold)}
    beside = path.with_suffix(".partial")
    save_file({name: tensor.contiguous() for name, tensor in labeller.head.state_dict().items()}, beside, about)
    beside.replace(path)


def load_labeller(path: Path) -> Labeller:
    """Read a labeller.

    Raises:
        InvalidCheckpoint: The file cannot be read, or holds no labeller.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        labels = tuple(Label(**entry) for entry in json.loads(about["labels"]))
        head = LabelHead((len(tensors["mean"]) - 1) // 2, len(labels))
        head.load_state_dict(tensors)
        return Labeller(head.eval(), labels, float(about["threshold"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InvalidCheckpoint(f"{path} holds no labels, or is damaged: {error}") from error
