"""A decoder for Triton that answers at once, so that what is timed is how its tensors get there.

`write_repository` puts this very file into the repository, as the model.py of Triton's Python backend.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIDE = 256
TOKENS = 4
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
}
NEVER_ASKED_FOR = {"low_res_masks": ("FP16", f"1, {TOKENS}, {SIDE}, {SIDE}")}  # the contract has it
ENCODER_INPUTS = {"image": ("UINT8", "3, 1024, 1024")}
ENCODER_OUTPUTS = {"image_embeddings": ("FP16", "256, 64, 64")}
IDENTITY = ("weights_digest", "precision", "preprocessing")


class TritonPythonModel:
    """Fills the mask with the embedding's first value."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load what only Triton's own Python has."""
        import triton_python_backend_utils as backend  # type: ignore[import-not-found] # noqa: PLC0415

        del args
        self._backend = backend

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:  # noqa: ANN401 - Triton's
        embedding = self._backend.get_input_tensor_by_name(request, "image_embeddings").as_numpy()
        answers = {
            "best_mask": np.full((1, 1, SIDE, SIDE), embedding[0, 0, 0, 0], np.float16),
            "best_iou": np.ones((1, 1), np.float32),
            "iou_predictions": np.ones((1, 1, TOKENS), np.float32),
        }
        wanted = request.requested_output_names()
        return self._backend.InferenceResponse([self._backend.Tensor(name, answers[name]) for name in wanted])


def write_repository(folder: Path, *, model: str) -> Path:
    """Write the three Triton models that a stack wants of a model; all are this one, and nobody asks the encoder."""
    for part in ("encoder", "decoder", "decoder_multi"):
        version = folder / f"{model}_{part}" / "1"
        version.mkdir(parents=True)
        version.joinpath("model.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
        version.parent.joinpath("config.pbtxt").write_text(_config(version.parent.name), encoding="utf-8")
    return folder


def _config(name: str) -> str:
    lines = [f'name: "{name}"', 'backend: "python"', "max_batch_size: 32", "dynamic_batching { }"]
    is_encoder = name.endswith("_encoder")
    inputs, outputs = (ENCODER_INPUTS, ENCODER_OUTPUTS) if is_encoder else (INPUTS, OUTPUTS | NEVER_ASKED_FOR)
    lines += [f'parameters {{ key: "{key}" value {{ string_value: "" }} }}' for key in IDENTITY]
    for kind, tensors in (("input", inputs), ("output", outputs)):
        described = (f'{{ name: "{it}" data_type: TYPE_{of} dims: [ {dims} ] }}' for it, (of, dims) in tensors.items())
        lines.append(f"{kind} [ {', '.join(described)} ]")
    return "\n".join((*lines, "instance_group [ { kind: KIND_CPU count: 1 } ]", ""))
