"""Two ways to run a model here: the torch modules, or the exported graphs that are served."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskforge.annotations import RgbImage
from maskforge.compiled_graph import CompiledGraph
from maskforge.errors import IncompleteModel
from maskforge.evaluation.ports import Floats
from maskforge.sam.model import Prompts, Sam


class FramedPrompts(NamedTuple):
    """K prompts on one image, in the model's frame.

    Attributes:
        coords: float32 [K,P,2], XY pixels of the S frame.
        labels: float32 [K,P], as the prompt encoder knows them.
        logits: float32 [K,M,M], the masks to start from, or None.
    """

    coords: Floats
    labels: Floats
    logits: Floats | None = None

    def mask_input(self, side: int) -> tuple[Floats, Floats]:
        """Return the mask input [1,K,M,M] and whether it counts [1,K]."""
        rows = (1, len(self.labels))
        if self.logits is None:
            return np.zeros((*rows, side, side), np.float32), np.zeros(rows, np.float32)
        return self.logits[None], np.ones(rows, np.float32)


class Model(Protocol):
    """Encodes one image, then decodes prompts on it."""

    image_size: int

    def encode(self, frame: RgbImage, valid_hw: tuple[int, int]) -> Any:  # noqa: ANN401
        """Encode uint8 RGB [S,S,3]; what it returns is for `decode` alone."""

    def decode(self, embedding: Any, prompts: FramedPrompts) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """Decode K prompts: logits float32 [K,T,M,M], the single-mask token first, and predicted IoU [K,T]."""


class TorchModel:
    """Runs the torch modules in fp32."""

    def __init__(self, model: Sam, threads: int) -> None:
        """Run `model` in evaluation mode."""
        torch.set_num_threads(threads)
        self._model = model.eval()
        self.image_size = model.config.image_size

    @torch.inference_mode()
    def encode(self, frame: RgbImage, valid_hw: tuple[int, int]) -> Tensor:
        """Encode; see `Model`. The embedding passes through fp16, as it does when served."""
        image = torch.from_numpy(frame.transpose(2, 0, 1).copy()).unsqueeze(0)
        valid = torch.tensor([valid_hw], dtype=torch.int32)
        return self._model.encode(image, valid).half().float()

    @torch.inference_mode()
    def decode(self, embedding: Tensor, prompts: FramedPrompts) -> tuple[Tensor, Tensor]:
        """Decode; see `Model`."""
        mask_input, has_mask = prompts.mask_input(self._model.config.mask_size)
        arrays = (prompts.coords[None], prompts.labels[None], mask_input, has_mask)
        masks, iou = self._model.decode(embedding, Prompts(*map(torch.from_numpy, arrays)))
        return masks[0], iou[0]


class GraphModel:
    """Runs the graphs of a model repository, in the precision that they are served in."""

    def __init__(self, repository: Path, name: str, threads: int) -> None:
        """Load `<name>_encoder` and `<name>_decoder`.

        Raises:
            IncompleteModel: The repository does not hold them.
        """
        self._encoder, self._decoder = (
            CompiledGraph(_graph(repository / f"{name}_{part}"), threads) for part in ("encoder", "decoder")
        )
        self.image_size = self._encoder.input_shape("image")[-1]
        self._mask_size = self._decoder.input_shape("mask_input")[-1]

    def encode(self, frame: RgbImage, valid_hw: tuple[int, int]) -> npt.NDArray[np.float16]:
        """Encode; see `Model`."""
        image = np.ascontiguousarray(frame.transpose(2, 0, 1))[None]
        valid = np.array([valid_hw], dtype=np.int32)
        return self._encoder({"image": image, "valid_hw": valid})["image_embeddings"]

    def decode(self, embedding: npt.NDArray[np.float16], prompts: FramedPrompts) -> tuple[Tensor, Tensor]:
        """Decode; see `Model`."""
        mask_input, has_mask = prompts.mask_input(self._mask_size)
        inputs: dict[str, npt.NDArray[Any]] = {
            "image_embeddings": embedding,
            "point_coords": prompts.coords[None],
            "point_labels": prompts.labels[None],
            "mask_input": mask_input.astype(np.float16),
            "has_mask_input": has_mask,
            "select": np.ones_like(has_mask),
        }
        answer = self._decoder(inputs)
        masks, iou = answer["low_res_masks"][0], answer["iou_predictions"][0]
        return torch.from_numpy(masks).float(), torch.from_numpy(iou)


def _graph(folder: Path) -> Path:
    graph = folder / "1" / "model.onnx"
    if not graph.exists():
        raise IncompleteModel(f"{graph} does not exist: build the model with `maskforge build` first")
    return graph
