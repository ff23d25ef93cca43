"""A model for Triton that answers at once, so that what is timed is everything else.

`write_repository` puts this very file into the repository, as the model.py of Triton's Python backend.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIDE = 256
TOKENS = 4
RADIUS = 60
"""Of the disc in its masks, in their pixels."""
INPUTS = {
    "image_embeddings": ("FP16", "256, 64, 64"),
    "point_coords": ("FP32", "1, 8, 2"),
    "point_labels": ("FP32", "1, 8"),
    "mask_input": ("FP16", f"1, {SIDE}, {SIDE}"),
    "has_mask_input": ("FP32", "1"),
    "select": ("FP32", "1"),
}
OUTPUTS = {
    "best_mask": ("FP16", f"1, {SIDE}, {SIDE}"),
    "best_iou": ("FP32", "1"),
    "iou_predictions": ("FP32", f"1, {TOKENS}"),
    "low_res_masks": ("FP16", f"1, {TOKENS}, {SIDE}, {SIDE}"),
}
ENCODER_INPUTS = {"image": ("UINT8", "3, 1024, 1024"), "valid_hw": ("INT32", "2")}
ENCODER_OUTPUTS = {"image_embeddings": ("FP16", "256, 64, 64")}
IDENTITY = {"weights_digest": "sha256:instant", "precision": "none", "preprocessing": "none"}


class TritonPythonModel:
    """Decodes a disc whose first pixel is the embedding's first value; encodes ones."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load what only Triton's own Python has."""
        import triton_python_backend_utils as backend  # type: ignore[import-not-found] # noqa: PLC0415

        self._backend = backend
        self._answer = self._encode if args["model_name"].endswith("_encoder") else self._decode
        self._embedding = np.ones((1, 256, 64, 64), np.float16)
        self._disc = _disc()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return [self._answer(request) for request in requests]

    def _encode(self, _request: Any) -> Any:  # noqa: ANN401 - Triton's
        return self._response({"image_embeddings": self._embedding})

    def _decode(self, request: Any) -> Any:  # noqa: ANN401
        embedding = self._backend.get_input_tensor_by_name(request, "image_embeddings").as_numpy()
        mask = self._disc.copy()
        mask[0, 0, 0, 0] = embedding[0, 0, 0, 0]
        answers = {
            "best_mask": mask,
            "best_iou": np.ones((1, 1), np.float32),
            "iou_predictions": np.ones((1, 1, TOKENS), np.float32),
            "low_res_masks": np.broadcast_to(mask[:, :, None], (1, 1, TOKENS, SIDE, SIDE)),
        }
        return self._response({name: answers[name] for name in request.requested_output_names()})

    def _response(self, answers: dict[str, Any]) -> Any:  # noqa: ANN401
        return self._backend.InferenceResponse([self._backend.Tensor(*answer) for answer in answers.items()])


def _disc() -> np.ndarray[Any, np.dtype[np.float16]]:
    offset = np.arange(SIDE) - SIDE / 2
    distance = np.hypot(offset[:, None], offset[None])
    return (RADIUS - distance).astype(np.float16)[None, None]


def write_repository(folder: Path, *, model: str) -> Path:
    """Write the three Triton models that a stack wants of a model; all of them run this file."""
    encoder = _tensors(ENCODER_INPUTS, ENCODER_OUTPUTS) + _parameters()
    decoder = _tensors(INPUTS, OUTPUTS)
    for part, tensors in (("encoder", encoder), ("decoder", decoder), ("decoder_multi", decoder)):
        version = folder / f"{model}_{part}" / "1"
        version.mkdir(parents=True)
        version.joinpath("model.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
        name = version.parent.name
        version.parent.joinpath("config.pbtxt").write_text("\n".join((*_head(name), *tensors, "")), encoding="utf-8")
    return folder


def _head(name: str) -> list[str]:
    batching = ["max_batch_size: 32", "dynamic_batching { }", "instance_group [ { kind: KIND_CPU count: 1 } ]"]
    return [f'name: "{name}"', 'backend: "python"', *batching]


def _tensors(inputs: dict[str, tuple[str, str]], outputs: dict[str, tuple[str, str]]) -> list[str]:
    return [
        f'{kind} {{ name: "{name}" data_type: TYPE_{of} dims: [ {dims} ] }}'
        for kind, tensors in (("input", inputs), ("output", outputs))
        for name, (of, dims) in tensors.items()
    ]


def _parameters() -> list[str]:
    return [f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}' for key, value in IDENTITY.items()]
