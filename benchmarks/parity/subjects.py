"""The models that are compared: where their weights come from, and the implementation that they are held against."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import torch
from torch import nn

from benchmarks.parity.engines import Engine, TorchEngine
from benchmarks.parity.records import TORCH
from benchmarks.parity.references import MetaReference, TransformersReference
from benchmarks.parity.trials import Trial, asked_again, photo_trials, test_card_trial
from maskforge.checkpoints.loading import load_sam
from maskforge.lite0.model import LITE0, WEIGHTS_FILE, load_lite0
from maskforge.sam.config import SamConfig
from maskforge.sam.image_encoder import VitConfig
from maskforge.sam.model import Sam
from maskforge.sam.precision import Precision
from maskforge.sam.variants import VARIANTS
from tests.golden.reference import reference_sam, transformers_sam

SEED: Final = 3
LITE0_WEIGHTS: Final = Path("model_repository", "lite0_encoder", WEIGHTS_FILE)

META: Final = "random (seeded), of Meta's implementation, saved as its `.pth` and loaded by `maskforge`"
HUGGING_FACE: Final = "random (seeded), of `transformers.SamModel`, saved as its safetensors and loaded by `maskforge`"
TRAINED: Final = "trained: the committed lite0 (docs/models/lite0.md)"

META_EPSILON: Final = 1e-5
"""Of the norms in the decoder's transformer, where `transformers` has 1e-6."""

SLOW: Final = "left out: where the CPU has no fp16 arithmetic, torch takes minutes for one encoding"
DEEP: Final = 12
"""Blocks, up to which torch is asked in fp16."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A model ready to be compared.

    Attributes:
        reference: What gives the expected answers.
        files: The weights.
        load: Gives our model of these weights, in fp32.
    """

    reference: Engine
    files: tuple[Path, ...]
    load: Callable[[], Sam]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to compare.

    Attributes:
        name: Its name.
        weights: What they are, in words.
        reference: What it is compared with, in words.
        prepare: Makes the reference, and the weights in a folder.
        vit: Sizes of the image encoder; None for lite0.
        precisions: What it is compared in.
        left_out: Why an engine is not asked in a precision.
    """

    name: str
    weights: str
    reference: str
    prepare: Callable[[Path], Prepared]
    vit: VitConfig | None = None
    precisions: tuple[Precision, ...] = (Precision.FP32, Precision.BF16, Precision.FP16)
    left_out: Mapping[tuple[Precision, str], str] = field(default_factory=dict)

    @property
    def trained(self) -> bool:
        """Whether its masks mean something."""
        return self.vit is None

    @property
    def depth(self) -> tuple[int, int] | None:
        """Blocks of the image encoder, and of the published one's."""
        return None if self.vit is None else (self.vit.depth, VARIANTS[self.name[:5]].depth)

    def trials(self) -> Sequence[Trial]:
        """Ask about photos, and for every kind of mask, only where the answers mean something."""
        if self.trained:
            return [asked_again(trial) for trial in (test_card_trial(LITE0), *photo_trials(LITE0))]
        return [test_card_trial(SamConfig())]


def all_subjects(depth: int | None) -> dict[str, Subject]:
    """Give every subject by name, the image encoders no deeper than `depth`."""
    sizes = {name: _shallow(vit, depth) if depth else vit for name, vit in VARIANTS.items()}
    metas = {name: _of_meta(name, vit) for name, vit in sizes.items()}
    lite0 = Subject("lite0", TRAINED, "our own torch modules in fp32", _prepare_lite0)
    return {"lite0": lite0, "vit_b": metas["vit_b"], "vit_b_hf": _of_hugging_face("vit_b_hf", sizes["vit_b"]), **metas}


def _shallow(vit: VitConfig, depth: int) -> VitConfig:
    depth = min(depth, vit.depth)
    return replace(vit, depth=depth, global_blocks=tuple(b for b in vit.global_blocks if b < depth) or (depth - 1,))


def _of_meta(name: str, vit: VitConfig) -> Subject:
    left_out = {(Precision.FP16, TORCH): SLOW} if vit.depth > DEEP else {}
    reference = "Meta's `segment_anything` in fp32"
    return Subject(name, META, reference, lambda folder: _prepare_meta(folder, vit), vit, left_out=left_out)


def _of_hugging_face(name: str, vit: VitConfig) -> Subject:
    """Only in fp32: past the loading, it is vit_b."""
    reference = (
        "Hugging Face's `transformers` in fp32, the norms of its decoder set to add Meta's 1e-5 instead of its own "
        "1e-6 (that alone moves logits by more than 1e-4)"
    )
    return Subject(
        name, HUGGING_FACE, reference, lambda folder: _prepare_hugging_face(folder, vit), vit, (Precision.FP32,)
    )


def _prepare_lite0(_: Path) -> Prepared:
    return Prepared(TorchEngine(load_lite0(LITE0_WEIGHTS)), (LITE0_WEIGHTS,), lambda: load_lite0(LITE0_WEIGHTS))


def _prepare_meta(folder: Path, vit: VitConfig) -> Prepared:
    torch.manual_seed(SEED)
    reference, path = reference_sam(vit), folder / "sam.pth"
    torch.save(reference.state_dict(), path)
    return Prepared(MetaReference(reference), (path,), lambda: load_sam(path))


def _prepare_hugging_face(folder: Path, vit: VitConfig) -> Prepared:
    torch.manual_seed(SEED)
    reference = transformers_sam(vit)
    reference.save_pretrained(folder)
    for layer in reference.mask_decoder.transformer.modules():
        if isinstance(layer, nn.LayerNorm):
            layer.eps = META_EPSILON
    return Prepared(TransformersReference(reference), (folder / "model.safetensors",), lambda: load_sam(folder))
