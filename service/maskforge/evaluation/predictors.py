"""Two ways to run a model: the torch modules, or the exported graphs that are served."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskforge.annotations import RgbImage
from maskforge.compiled_graph import CompiledGraph
from maskforge.errors import IncompleteModel
from maskforge.sam.model import Prompts, Sam

Floats = npt.NDArray[np.float32]


class Predictor(Protocol):
    """Encodes one image, then decodes prompts on it."""

    image_size: int

    def encode(self, frame: RgbImage, valid_hw: tuple[int, int]) -> Any:  # noqa: ANN401
        """Encode uint8 RGB [S,S,3]; what it returns is for `decode` alone."""

    def decode(self, embedding: Any, coords: Floats, labels: Floats) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """Decode K prompts float32 [K,P,2], [K,P]: logits [K,T,M,M] and predicted IoU [K,T]."""


class TorchPredictor:
    """Runs the torch modules in fp32."""

    def __init__(self, model: Sam, threads: int) -> None:
        """Run `model` in evaluation mode."""
        torch.set_num_threads(threads)
        self._model = model.eval()
        self.image_size = model.config.image_size

    @torch.inference_mode()
    def encode(self, frame: RgbImage, valid_hw: tuple[int, int]) -> Tensor:
        """Encode; see `Predictor`. The embedding passes through fp16, as it does when served."""
        image = torch.from_numpy(frame.transpose(2, 0, 1).copy()).unsqueeze(0)
        valid = torch.tensor([valid_hw], dtype=torch.int32)
        return self._model.encode(image, valid).half().float()

    @torch.inference_mode()
    def decode(self, embedding: Tensor, coords: Floats, labels: Floats) -> tuple[Tensor, Tensor]:
        """Decode; see `Predictor`."""
        rows, side = (1, len(labels)), self._model.config.mask_size
        prompts = Prompts(
            torch.from_numpy(coords).unsqueeze(0),
            torch.from_numpy(labels).unsqueeze(0),
            torch.zeros(*rows, side, side),
            torch.zeros(rows),
        )
        masks, iou = self._model.decode(embedding, prompts)
        return masks[0], iou[0]


class GraphPredictor:
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
        """Encode; see `Predictor`."""
        image = np.ascontiguousarray(frame.transpose(2, 0, 1))[None]
        valid = np.array([valid_hw], dtype=np.int32)
        return self._encoder({"image": image, "valid_hw": valid})["image_embeddings"]

    def decode(self, embedding: npt.NDArray[np.float16], coords: Floats, labels: Floats) -> tuple[Tensor, Tensor]:
        """Decode; see `Predictor`."""
        rows, side = (1, len(labels)), self._mask_size
        inputs: dict[str, npt.NDArray[Any]] = {
            "image_embeddings": embedding,
            "point_coords": coords[None],
            "point_labels": labels[None],
            "mask_input": np.zeros((*rows, side, side), np.float16),
            "has_mask_input": np.zeros(rows, np.float32),
            "select": np.ones(rows, np.float32),
        }
        answer = self._decoder(inputs)
        masks, iou = answer["low_res_masks"][0], answer["iou_predictions"][0]
        return torch.from_numpy(masks).float(), torch.from_numpy(iou)


def _graph(folder: Path) -> Path:
    graph = folder / "1" / "model.onnx"
    if not graph.exists():
        raise IncompleteModel(f"{graph} does not exist: build the model with `maskforge build` first")
    return graph
