"""The reference implementation (PyPI `segment-anything` 1.0), Hugging Face's, and prompts put to both sides.

The reference imports torchvision, only for things that are not used here: it is stubbed.
"""

import importlib.machinery
import os
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from maskforge.sam.config import SamConfig
from maskforge.sam.image_encoder import VitConfig
from maskforge.sam.model import Prompts

if TYPE_CHECKING:
    import transformers

Model = TypeVar("Model", bound=nn.Module)
SPREAD = 0.05

SLOTS = 8
EMPTY, PAD, TOP_LEFT, BOTTOM_RIGHT = -2.0, -1.0, 2.0, 3.0


def _unused(*_: object, **__: object) -> None:
    raise NotImplementedError


def _stub(name: str, **attributes: object) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(attributes)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules.setdefault(name, module)


def modeling() -> types.ModuleType:
    """Return `segment_anything.modeling`, imported behind stubs of torchvision."""
    _stub("torchvision")
    _stub("torchvision.ops")
    _stub("torchvision.ops.boxes", batched_nms=_unused, box_area=_unused)
    _stub("torchvision.transforms")
    _stub("torchvision.transforms.functional", resize=_unused, to_pil_image=_unused)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import segment_anything.modeling  # noqa: PLC0415
    return segment_anything.modeling


def amg() -> types.ModuleType:
    """Return `segment_anything.utils.amg`."""
    modeling()
    import segment_anything.utils.amg  # noqa: PLC0415

    return segment_anything.utils.amg


class ReferenceSam(nn.Module):
    """The reference's prompt encoder and mask decoder, as `build_sam.py` makes them."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        reference = modeling()
        width = config.embed_dim
        self.prompt_encoder = reference.PromptEncoder(
            embed_dim=width,
            image_embedding_size=(config.embedding_size, config.embedding_size),
            input_image_size=(config.image_size, config.image_size),
            mask_in_chans=config.mask_in_chans,
        )
        self.mask_decoder = reference.MaskDecoder(
            num_multimask_outputs=config.multimask_outputs,
            transformer=reference.TwoWayTransformer(
                depth=config.transformer_depth,
                embedding_dim=width,
                mlp_dim=config.transformer_mlp_dim,
                num_heads=config.transformer_heads,
            ),
            transformer_dim=width,
            iou_head_depth=config.iou_head_depth,
            iou_head_hidden_dim=config.iou_head_hidden_dim,
        )

    def answer(self, embedding: Tensor, question: "Question") -> tuple[Tensor, Tensor]:
        """Return all logits float [T,M,M] and predicted IoU float [T] of one prompt."""
        sparse, dense = self.prompt_encoder(question.reference_points(), question.box, question.mask)
        masks, iou = self.mask_decoder.predict_masks(
            image_embeddings=embedding.unsqueeze(0),
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        return masks[0], iou[0]


class Question(NamedTuple):
    """One prompt: points float [1,N,2] and labels [1,N], box float [1,4], mask float [1,1,M,M]."""

    points: Tensor | None = None
    labels: Tensor | None = None
    box: Tensor | None = None
    mask: Tensor | None = None

    def reference_points(self) -> tuple[Tensor, Tensor] | None:
        return None if self.points is None or self.labels is None else (self.points, self.labels)

    def slots(self) -> tuple[Tensor, Tensor]:
        """Return coords [SLOTS,2] and labels [SLOTS], in the reference's order of tokens."""
        coords, labels = [], []
        if self.points is not None and self.labels is not None:
            coords.append(self.points[0])
            labels.append(self.labels[0])
        if self.box is None:
            coords.append(torch.zeros(1, 2))
            labels.append(torch.tensor([PAD]))
        else:
            coords.append(self.box.reshape(2, 2))
            labels.append(torch.tensor([TOP_LEFT, BOTTOM_RIGHT]))
        return _fill(torch.cat(coords), 777.0), _fill(torch.cat(labels), EMPTY)


def batch(questions: list[list[Question]], mask_size: int) -> Prompts:
    """Put questions [B][K] into the batched form; what an empty slot holds must not matter."""
    slots = [[question.slots() for question in row] for row in questions]
    nothing = torch.full((1, 1, mask_size, mask_size), 5.0)
    masks = [[nothing if q.mask is None else q.mask for q in row] for row in questions]
    return Prompts(
        torch.stack([torch.stack([coords for coords, _ in row]) for row in slots]),
        torch.stack([torch.stack([labels for _, labels in row]) for row in slots]),
        torch.stack([torch.cat(row).squeeze(1) for row in masks]),
        torch.tensor([[float(q.mask is not None) for q in row] for row in questions]),
    )


def _fill(rows: Tensor, value: float) -> Tensor:
    missing = SLOTS - rows.shape[0]
    return torch.cat([rows, torch.full((missing, *rows.shape[1:]), value)])


def reference_sam(vit: VitConfig) -> nn.Module:
    """Make Meta's whole model, as `build_sam.py` does, with random weights everywhere."""
    rest = ReferenceSam(SamConfig())
    encoder = reference_encoder(vit, SamConfig().image_size)
    return drawn(modeling().Sam(encoder, rest.prompt_encoder, rest.mask_decoder).eval())


def reference_encoder(vit: VitConfig, side: int) -> nn.Module:
    """Make Meta's image encoder, as `build_sam.py` does, for frames of a side; its weights are as it draws them."""
    encoder: nn.Module = modeling().ImageEncoderViT(
        img_size=side,
        depth=vit.depth,
        embed_dim=vit.width,
        num_heads=vit.heads,
        mlp_ratio=vit.mlp_ratio,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        global_attn_indexes=vit.global_blocks,
        window_size=vit.window,
    )
    return encoder


def transformers_sam(vit: VitConfig) -> "transformers.SamModel":
    """Make Hugging Face's model with random weights everywhere; nothing is asked of the network."""
    vision = {
        "hidden_size": vit.width,
        "num_hidden_layers": vit.depth,
        "num_attention_heads": vit.heads,
        "mlp_ratio": float(vit.mlp_ratio),
        "window_size": vit.window,
        "global_attn_indexes": list(vit.global_blocks),
    }
    os.environ["HF_HUB_OFFLINE"] = "1"
    with _no_torchvision():
        import transformers  # noqa: PLC0415

        return drawn(transformers.SamModel(transformers.SamConfig(vision_config=vision)).eval())


@contextmanager
def _no_torchvision() -> Iterator[None]:
    """Take the stubs away: `transformers` would take them for torchvision itself."""
    stubs = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "torchvision"}
    try:
        yield
    finally:
        sys.modules.update(stubs)


def drawn(model: Model) -> Model:
    """Draw again what a new model holds as zeros, or as little more: a name that is mixed up must show."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.abs().mean() < SPREAD / 2:
                parameter.normal_(std=SPREAD)
    return model
