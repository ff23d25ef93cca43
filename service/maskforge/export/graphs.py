"""The two ONNX graphs of a model, with the tensors of the model contract.

They compute in the types that the model's parameters have (`maskforge.sam.precision`).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx_ir
import torch
from torch import Tensor, nn
from torch.export import Dim

from maskforge.sam.config import SamConfig
from maskforge.sam.model import Prompts, Sam, choose_token

OPSET: Final = 18
LARGEST_MESSAGE: Final = 1_900_000_000
"""Bytes; protobuf ends at 2 GiB, and the nodes need room too."""

EXAMPLE_IMAGES, EXAMPLE_PROMPTS, EXAMPLE_SLOTS = 2, 3, 8
"""Sizes to trace with; none may be 1, which would be baked in."""


class EncoderGraph(nn.Module):
    """`image`, `valid_hw` → `image_embeddings`."""

    def __init__(self, model: Sam) -> None:
        """Wrap the model's image encoder."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, valid_hw: Tensor) -> Tensor:
        """Encode uint8 [B,3,S,S], int32 [B,2] as float16 [B,C,E,E]."""
        return self.model.encode(image, valid_hw).to(torch.float16)


class DecoderGraph(nn.Module):
    """Embeddings and prompts → all masks, and the one selected."""

    def __init__(self, model: Sam) -> None:
        """Wrap the model's prompt encoder and mask decoder."""
        super().__init__()
        self.model = model

    def forward(  # noqa: PLR0917
        self,
        image_embeddings: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
        select: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Decode; dtypes and shapes are in `model_repository/README.md`."""
        prompts = Prompts(point_coords, point_labels, mask_input, has_mask_input)
        factors = self.model.decode_factors(image_embeddings, prompts)
        best = factors.only(choose_token(factors.iou, select.flatten()))
        masks, best_mask = (some.draw().unflatten(0, select.shape).to(torch.float16) for some in (factors, best))
        return masks, factors.iou.unflatten(0, select.shape), best_mask.squeeze(2), best.iou.reshape(select.shape)


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """What the exporter must know of a graph.

    Attributes:
        inputs: Example tensors by name, in the order of `forward`.
        dynamic: Names of the leading axes that stay dynamic, by input.
        outputs: Names of the outputs, in order.
    """

    inputs: Mapping[str, Tensor]
    dynamic: Mapping[str, Sequence[str]]
    outputs: Sequence[str]


def encoder_spec(config: SamConfig) -> GraphSpec:
    """Describe the encoder's tensors."""
    batch, side = EXAMPLE_IMAGES, config.image_size
    return GraphSpec(
        inputs={
            "image": torch.zeros(batch, 3, side, side, dtype=torch.uint8),
            "valid_hw": torch.full((batch, 2), side, dtype=torch.int32),
        },
        dynamic={"image": ["B"], "valid_hw": ["B"]},
        outputs=["image_embeddings"],
    )


def decoder_spec(config: SamConfig) -> GraphSpec:
    """Describe the decoder's tensors."""
    rows = (EXAMPLE_IMAGES, EXAMPLE_PROMPTS)
    slots = (*rows, EXAMPLE_SLOTS)
    embedding = (config.embed_dim, config.embedding_size, config.embedding_size)
    mask = (config.mask_size, config.mask_size)
    half = torch.float16
    return GraphSpec(
        inputs={
            "image_embeddings": torch.zeros(EXAMPLE_IMAGES, *embedding, dtype=half),
            "point_coords": torch.zeros(*slots, 2),
            "point_labels": torch.ones(*slots),
            "mask_input": torch.zeros(*rows, *mask, dtype=half),
            "has_mask_input": torch.zeros(*rows),
            "select": torch.ones(*rows),
        },
        dynamic={
            "image_embeddings": ["B"],
            "point_coords": ["B", "K", "P"],
            "point_labels": ["B", "K", "P"],
            "mask_input": ["B", "K"],
            "has_mask_input": ["B", "K"],
            "select": ["B", "K"],
        },
        outputs=["low_res_masks", "iou_predictions", "best_mask", "best_iou"],
    )


def export_encoder(model: Sam) -> onnx_ir.Model:
    """Export the encoder's graph."""
    return _export(EncoderGraph(model), encoder_spec(model.config))


def export_decoder(model: Sam) -> onnx_ir.Model:
    """Export the decoder's graph."""
    return _export(DecoderGraph(model), decoder_spec(model.config))


def save_graph(graph: onnx_ir.Model, path: Path, limit: int = LARGEST_MESSAGE) -> None:
    """Write a graph to `path`; weights of more than `limit` bytes, too many for one message, go to `<path>.data`."""
    weights = sum(tensor.const_value.nbytes for tensor in graph.graph.initializers.values() if tensor.const_value)
    onnx_ir.save(graph, path, external_data=f"{path.name}.data" if weights > limit else None)


def _export(graph: nn.Module, spec: GraphSpec) -> onnx_ir.Model:
    axes = {name: Dim(name, min=1) for names in spec.dynamic.values() for name in names}
    shapes = {name: {index: axes[axis] for index, axis in enumerate(names)} for name, names in spec.dynamic.items()}
    with warnings.catch_warnings():
        # torch's own: a deprecated call inside it, and one name for axes that are always equal.
        warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec", FutureWarning)
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)
        program = torch.onnx.export(
            graph.eval(),
            tuple(spec.inputs.values()),
            dynamo=True,
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    return _without_origins(program.model)


def _without_origins(model: onnx_ir.Model) -> onnx_ir.Model:
    """Clear the exporter's notes: they hold the paths of the machine that it ran on."""
    graph = model.graph
    values = [value for node in graph for value in node.outputs]
    for part in (model, graph, *graph, *values, *graph.inputs, *graph.initializers.values()):
        part.metadata_props.clear()
        part.doc_string = None
    return model
