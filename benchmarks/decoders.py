"""The decoders that are compared: the official ONNX export, the reference's predictor, and ours."""

from __future__ import annotations

import importlib
import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from benchmarks.backend import backend, config_of
from benchmarks.reference import predictor
from maskforge.export.graphs import export_decoder, save_graph
from maskforge.export.triton_config import POINT_SLOTS, TritonModel, triton_models
from maskforge.sam.config import SamConfig
from maskforge.sam.precision import Precision, lower
from maskforge.sam.variants import build_sam
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize
from maskgate.domain.mask import Mask
from maskgate.domain.prompt import Point, Prompt, PromptSlots
from maskgate.domain.upscale import upscale

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from maskforge.sam.image_encoder import VitConfig

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Arrays = dict[str, npt.NDArray[Any]]

CONFIG: Final = SamConfig()
OFFICIAL_OPSET: Final = 17
SCRIPTS_PHOTO: Final = ImageSize(width=2250, height=1500)
"""That scripts/export_onnx_model.py traces with."""
BEST: Final = ("best_mask", "best_iou")


@dataclass(frozen=True)
class Scene:
    """An encoded photo: all that lies ready before a click.

    Attributes:
        size: Of the photo.
        embedding: float16 [1,C,E,E].
    """

    size: ImageSize
    embedding: npt.NDArray[np.float16]

    @cached_property
    def frame(self) -> Frame:
        """Where the photo lies in the model's square."""
        return Frame(self.size, CONFIG.image_size)

    def clicks(self, side: int) -> list[Point]:
        """Return side x side points, evenly over the photo."""
        steps = (np.arange(side) + 0.5) / side
        return [Point(x * self.size.width, y * self.size.height) for y in steps for x in steps]


class OfficialDecoder:
    """`SamOnnxModel` as scripts/export_onnx_model.py exports it, one mask a prompt, on ONNX Runtime in fp32."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """Load what `export_official` has written, with a thread a core unless told otherwise."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def prepare(self, scene: Scene) -> Arrays:
        """Make the inputs that are the same for every click."""
        return {
            "image_embeddings": scene.embedding.astype(np.float32),
            "mask_input": np.zeros((1, 1, CONFIG.mask_size, CONFIG.mask_size), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array([scene.size.height, scene.size.width], np.float32),
        }

    def decode(self, prepared: Arrays, scene: Scene, click: Point) -> tuple[Bools, Floats]:
        """Return the mask bool [H,W] and its low-res logits float32 [M,M]."""
        coords = scene.frame.to_square([[(click.x, click.y), (0.0, 0.0)]])
        labels = np.array([[1.0, -1.0]], np.float32)
        masks, _, low_res = self._session.run(None, {**prepared, "point_coords": coords, "point_labels": labels})
        return masks[0, 0] > 0, low_res[0, 0]


def export_official(reference: nn.Module, path: Path, size: ImageSize = SCRIPTS_PHOTO) -> Path:
    """Follow scripts/export_onnx_model.py of segment-anything, with `--return-single-mask`; return the path.

    For photos of other proportions than `size` its masks are stretched: today's torch fixes where the padding is cut
    off, while it traces. Their logits, and what they take, are the same.
    """
    graph = importlib.import_module("segment_anything.utils.onnx").SamOnnxModel(reference, return_single_mask=True)
    side, mask = CONFIG.embedding_size, CONFIG.mask_size
    inputs = {
        "image_embeddings": torch.randn(1, CONFIG.embed_dim, side, side),
        "point_coords": torch.randint(0, CONFIG.image_size, (1, 5, 2)).float(),
        "point_labels": torch.randint(0, 4, (1, 5)).float(),
        "mask_input": torch.randn(1, 1, mask, mask),
        "has_mask_input": torch.tensor([1.0]),
        "orig_im_size": torch.tensor([float(size.height), float(size.width)]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the old exporter, and of the tracer about the reference's code
        torch.onnx.export(
            graph.eval(),
            tuple(inputs.values()),
            path,
            opset_version=OFFICIAL_OPSET,
            input_names=list(inputs),
            output_names=["masks", "iou_predictions", "low_res_masks"],
            dynamic_axes={"point_coords": {1: "num_points"}, "point_labels": {1: "num_points"}},
            dynamo=False,
        )
    return path


class ReferenceDecoder:
    """`SamPredictor` in torch fp32 on a scene, asked for a single mask."""

    def __init__(self, reference: nn.Module, scene: Scene) -> None:
        """Set the scene, as `set_image` would."""
        self._predictor = predictor(reference)
        self._predictor.features = torch.from_numpy(scene.embedding.astype(np.float32))
        self._predictor.original_size = (scene.size.height, scene.size.width)
        self._predictor.input_size = (scene.frame.valid.height, scene.frame.valid.width)
        self._predictor.is_image_set = True

    def decode(self, click: Point) -> Bools:
        """Return the mask bool [H,W] of a click."""
        masks, _, _ = self._predictor.predict(np.array([[click.x, click.y]]), np.ones(1), multimask_output=False)
        return masks[0]

    def decode_all(self, clicks: list[Point]) -> torch.Tensor:
        """Return the masks bool [K,1,H,W] of clicks that are decoded as one batch."""
        size = self._predictor.original_size
        coords = self._predictor.transform.apply_coords(np.array([[(click.x, click.y)] for click in clicks]), size)
        points, labels = torch.as_tensor(coords, dtype=torch.float), torch.ones(len(clicks), 1)
        masks, _, _ = self._predictor.predict_torch(points, labels, multimask_output=False)
        return masks


@dataclass(frozen=True, slots=True)
class Graph:
    """Our decoder's graph on disk, with the configurations of the models that serve it.

    Attributes:
        path: The ONNX file.
        single: Of `<model>_decoder`.
        multi: Of `<model>_decoder_multi`.
    """

    path: Path
    single: TritonModel
    multi: TritonModel

    @classmethod
    def export(cls, reference: nn.Module, vit: VitConfig, precision: Precision, folder: Path) -> Graph:
        """Export the reference's weights as our graph."""
        model = build_sam(vit)
        model.load_state_dict(reference.state_dict())
        lower(model.eval(), precision)
        path = folder / f"{precision}.onnx"
        save_graph(export_decoder(model), path)
        _, single, multi = triton_models("decoder", CONFIG, {})
        return cls(path, single, multi)

    def decoder(self) -> OurDecoder:
        """Compile it as the backend does: in buckets of slots."""
        return OurDecoder(backend().networks.load_network(self.path, config_of(self.single)))

    def decoder_of(self, slots: int) -> OurDecoder:
        """Compile it for so many slots alone, without mask inputs."""
        networks = backend().networks
        config = networks.with_slots(config_of(self.single), slots)
        return OurDecoder(networks.OnnxNetwork(self.path, config, networks.PLAIN), slots)

    def decoder_multi(self) -> OurDecoder:
        """Compile it as the backend does for many prompts in one call."""
        return OurDecoder(backend().networks.load_network(self.path, config_of(self.multi)))


@dataclass(frozen=True, slots=True)
class OurDecoder:
    """The backend's network, and what the gateway does before and after it."""

    network: Any
    slots: int = POINT_SLOTS

    def logits(self, scene: Scene, clicks: list[Point]) -> npt.NDArray[np.float16]:
        """Return the best masks' low-res logits float16 [K,M,M]."""
        prompts = [PromptSlots.fill(Prompt((click,)), frame=scene.frame, slots=self.slots) for click in clicks]
        count = len(clicks)
        inputs = {
            "image_embeddings": scene.embedding,
            "point_coords": np.stack([prompt.coords for prompt in prompts])[None],
            "point_labels": np.stack([prompt.labels for prompt in prompts])[None],
            "mask_input": np.zeros((1, count, CONFIG.mask_size, CONFIG.mask_size), np.float16),
            "has_mask_input": np.zeros((1, count), np.float32),
            "select": np.ones((1, count), np.float32),
        }
        logits: npt.NDArray[np.float16] = self.network.infer(inputs, wanted=BEST)["best_mask"][0]
        return logits

    def decode(self, scene: Scene, clicks: list[Point]) -> list[Bools]:
        """Return the masks bool [H,W], at the photo's size."""
        return [upscale(logits.astype(np.float32), scene.frame) for logits in self.logits(scene, clicks)]

    def answer(self, scene: Scene, clicks: list[Point]) -> list[tuple[Any, ...]]:
        """Return the masks as the gateway answers with them: as runs, with area, box and stability score."""
        masks = [Mask.from_logits(logits, iou=0.0, frame=scene.frame) for logits in self.logits(scene, clicks)]
        return [(mask.rle, mask.area, mask.box, mask.stability_score) for mask in masks]
