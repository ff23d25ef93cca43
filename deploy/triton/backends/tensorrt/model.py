"""Serves a model of the `tensorrt` backend on a CPU: the same ONNX file, run by OpenVINO.

Triton looks for `backends/tensorrt/libtriton_tensorrt.so`. Where there is none it loads this file through its Python
backend, so the `config.pbtxt` that production serves from a TensorRT plan is served here unchanged.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import networks
import numpy as np
import triton_python_backend_utils as pb_utils
from graphs import InvalidCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphs import Array, Network


class TritonPythonModel:
    """One instance of one model; Triton calls `initialize`, then `execute` until `finalize`."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Compiles `<model>/<version>/model.onnx` for this CPU."""
        config = json.loads(args["model_config"])
        onnx = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self._executor = Executor(networks.load_network(onnx, config), batched=int(config["max_batch_size"]) > 0)

    def execute(self, requests: Sequence[Request]) -> list[pb_utils.InferenceResponse]:
        """Answers requests that arrived together: one response each, in their order."""
        return self._executor.answer(requests)

    def finalize(self) -> None:
        """Gives the compiled model's memory back."""
        del self._executor


class Request(Protocol):
    """What is used of Triton's InferenceRequest, besides what `pb_utils` does with it."""

    def requested_output_names(self) -> Sequence[str]:
        """The outputs that the client asks for, all of them if it named none."""


class Executor:
    """Answers the requests of one execution, row by row.

    A GPU computes a batch faster than its rows; a CPU does not, and a graph of free shape is half as slow again as one
    of fixed shape, whether the batch has 1, 4 or 8 rows (docs/adr/0004). So a batch saves Triton's overhead here, not
    arithmetic, and needs no memory for 32 rows at once.
    """

    def __init__(self, network: Network, *, batched: bool) -> None:
        """Without `batched` the tensors have no batch dimension, and a request is an inference as it is."""
        self._network = network
        self._batched = batched

    def answer(self, requests: Sequence[Request]) -> list[pb_utils.InferenceResponse]:
        """One response for each request, in their order; a request that is at fault is the only one to get an error."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> pb_utils.InferenceResponse:
        try:
            inputs = {name: _input(request, name) for name in self._network.input_names}
            rows = _rows_of(inputs) if self._batched else [inputs]
            wanted = request.requested_output_names()
            return _response([self._network.infer(row, wanted=wanted) for row in rows])
        except InvalidCall as error:
            return _refusal(error, pb_utils.TritonError.INVALID_ARG)
        except Exception as error:  # noqa: BLE001 - the outermost handler: whatever went wrong is the response
            return _refusal(error, pb_utils.TritonError.INTERNAL)


def _input(request: Request, name: str) -> Array:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    if tensor is None:
        raise InvalidCall(f"input '{name}' is missing")
    array: Array = tensor.as_numpy()
    return array


def _rows_of(inputs: Mapping[str, Array]) -> list[dict[str, Array]]:
    """Takes a request apart into rows that keep their batch dimension, of 1, as views."""
    sizes = {len(array) for array in inputs.values()}
    if len(sizes) != 1:
        raise InvalidCall(f"inputs disagree on the batch size: {sorted(sizes)}")
    return [{name: array[row : row + 1] for name, array in inputs.items()} for row in range(sizes.pop())]


def _response(rows: Sequence[Mapping[str, Array]]) -> pb_utils.InferenceResponse:
    """Puts the outputs of a request's rows together; a single row's are passed on as they are."""
    if len(rows) == 1:
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in rows[0].items()])
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, np.concatenate([row[name] for row in rows])) for name in rows[0]]
    )


def _refusal(error: Exception, code: int) -> pb_utils.InferenceResponse:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
