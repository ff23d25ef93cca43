"""A fake of `triton_python_backend_utils`, the module that exists only inside of Triton's stub."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL = Path(__file__).parents[3] / "deploy" / "triton" / "backends" / "tensorrt" / "model.py"
DTYPES = {"TYPE_FP16": np.float16, "TYPE_FP32": np.float32, "TYPE_UINT8": np.uint8, "TYPE_INT32": np.int32}


@dataclass
class Tensor:
    name: str
    array: NDArray[np.generic]

    def as_numpy(self) -> NDArray[np.generic]:
        return self.array


class TritonError(Exception):
    INTERNAL = 1
    INVALID_ARG = 3

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class TritonModelException(Exception):
    pass


class Logger:
    @staticmethod
    def log_warn(message: str) -> None:
        """Triton's log has nobody to read it here."""


@dataclass
class InferenceResponse:
    output_tensors: list[Tensor] = field(default_factory=list)
    error: TritonError | None = None

    def outputs(self) -> dict[str, list[object]]:
        return {tensor.name: tensor.array.tolist() for tensor in self.output_tensors}


@dataclass
class Request:
    inputs: dict[str, NDArray[np.generic]]
    wanted: tuple[str, ...] = ("doubled",)

    def requested_output_names(self) -> tuple[str, ...]:
        return self.wanted


def load_backend() -> ModuleType:
    """Imports the backend's model.py as Triton's stub does: by path, with the module that the stub provides."""
    utils = ModuleType("triton_python_backend_utils")
    utils.__dict__.update(
        Tensor=Tensor,
        Logger=Logger,
        TritonError=TritonError,
        TritonModelException=TritonModelException,
        InferenceResponse=InferenceResponse,
        triton_string_to_numpy=DTYPES.__getitem__,
        get_input_tensor_by_name=lambda request, name: (
            Tensor(name, request.inputs[name]) if name in request.inputs else None
        ),
    )
    sys.modules[utils.__name__] = utils
    if str(MODEL.parent) not in sys.path:  # as the stub does
        sys.path.append(str(MODEL.parent))
    spec = importlib.util.spec_from_file_location("tensorrt_on_cpu", MODEL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module
