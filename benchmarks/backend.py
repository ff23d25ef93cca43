"""The Triton backend for CPUs, in this process: what it serves is computed by the same code with the same settings."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from tests.unit.stack.fake_triton import load_backend

if TYPE_CHECKING:
    from maskforge.export.triton_config import Tensor, TritonModel


@cache
def backend() -> Any:  # noqa: ANN401 - a module that is loaded by path, as Triton does
    """Return deploy/triton/backends/tensorrt/model.py."""
    return load_backend()


def config_of(model: TritonModel) -> dict[str, Any]:
    """Return a model's `config.pbtxt` as Triton hands it to the backend."""
    return {
        "max_batch_size": model.max_batch,
        "input": [_tensor(tensor) for tensor in model.inputs],
        "output": [_tensor(tensor) for tensor in model.outputs],
        "parameters": {name: {"string_value": value} for name, value in model.parameters.items()},
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "data_type": f"TYPE_{tensor.dtype}", "dims": list(tensor.dims)}
