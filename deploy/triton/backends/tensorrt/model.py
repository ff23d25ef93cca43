"""Serves a model of the `tensorrt` backend on a CPU: the same ONNX file, run by OpenVINO.

Triton looks for `backends/tensorrt/libtriton_tensorrt.so`. Where there is none it loads this file through its Python
backend, so the `config.pbtxt` that production serves from a TensorRT plan is served here unchanged.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import compiled_models
import numpy as np
import triton_python_backend_utils as pb_utils

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

COORDS, LABELS = "point_coords", "point_labels"
EMPTY_SLOT = -2.0
NARROW_SLOTS = (2, 4)
"""Graphs are compiled for so many slots too, besides the configuration's."""


class TritonPythonModel:
    """One instance of one model; Triton calls `initialize`, then `execute` until `finalize`."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Compiles `<model>/<version>/model.onnx` for this CPU."""
        config = json.loads(args["model_config"])
        onnx = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self._executor = Executor(load_network(onnx, config), batched=int(config["max_batch_size"]) > 0)

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


class Network(Protocol):
    """A function from arrays to arrays, by name."""

    @property
    def input_names(self) -> Sequence[str]:
        """The inputs, all of which it needs."""

    def infer(self, inputs: Mapping[str, Array], *, wanted: Iterable[str]) -> dict[str, Array]:
        """Computes the wanted outputs; they stay as they are when it is called again."""


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


class OnnxNetwork:
    """An ONNX graph compiled by OpenVINO, with the tensors that the model's configuration promises."""

    def __init__(self, onnx: Path, config: Mapping[str, Any]) -> None:
        """Compiles the graph in the shapes of `config`, and checks that it has every tensor that `config` names."""
        self._compiled = compiled_models.CompiledModels.from_environment().compile(onnx, config)
        self._inputs = compiled_models.tensors_of(self._compiled.inputs, config["input"], of=onnx)
        self._outputs = compiled_models.tensors_of(self._compiled.outputs, config["output"], of=onnx)
        self._dtypes = {o["name"]: pb_utils.triton_string_to_numpy(o["data_type"]) for o in config["output"]}

    @property
    def input_names(self) -> Sequence[str]:
        """The inputs of the model's configuration."""
        return tuple(self._inputs)

    def infer(self, inputs: Mapping[str, Array], *, wanted: Iterable[str]) -> dict[str, Array]:
        """Returns the wanted outputs, in the dtypes of the model's configuration.

        Each inference has a request of its own: making one takes 10 microseconds (measured), and its outputs belong
        to nobody else, so that responses can be views of them instead of copies.
        """
        request = self._compiled.create_infer_request()
        request.infer({name: self._typed(name, array) for name, array in inputs.items()}, share_inputs=True)
        outputs = {name: request.get_tensor(self._outputs[name]).data for name in wanted}
        return {name: array.astype(self._dtypes[name], copy=False) for name, array in outputs.items()}

    def warm_up(self) -> None:
        """Computes zeros: the first inference of a graph also makes its kernels."""
        shapes = {
            name: [axis.get_length() if axis.is_static else 1 for axis in port.partial_shape]
            for name, port in self._inputs.items()
        }
        self.infer({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, wanted=())

    def _typed(self, name: str, array: Array) -> Array:
        return array.astype(self._inputs[name].element_type.to_dtype(), copy=False)


class SlotBuckets:
    """Computes a prompt in the narrowest graph that has a slot for each of its points.

    Empty slots change nothing, but they are computed: the graph of 8 slots takes 1.2 to 1.5 times as long as that of 2
    (benchmarks/results/decode.json).
    """

    def __init__(self, networks: Mapping[int, Network]) -> None:
        """Takes networks by their number of slots."""
        self._networks = sorted(networks.items())

    @property
    def input_names(self) -> Sequence[str]:
        """Those of every one of the networks."""
        _, widest = self._networks[-1]
        return widest.input_names

    def infer(self, inputs: Mapping[str, Array], *, wanted: Iterable[str]) -> dict[str, Array]:
        """Computes the wanted outputs; labels are [B,K,P], coordinates [B,K,P,2]."""
        used = used_slots(inputs[LABELS])
        slots, network = next((slots, network) for slots, network in self._networks if slots >= used)
        narrow = {LABELS: inputs[LABELS][..., :slots], COORDS: inputs[COORDS][..., :slots, :]}
        return network.infer({**inputs, **narrow}, wanted=wanted)


def used_slots(labels: Array) -> int:
    """Counts the slots up to the last one that is not empty, in any of the prompts."""
    used = np.flatnonzero((labels != EMPTY_SLOT).any(axis=tuple(range(labels.ndim - 1))))
    return int(used[-1]) + 1 if used.size else 0


def load_network(onnx: Path, config: Mapping[str, Any]) -> Network:
    """Compiles a graph, several times if it takes prompts."""
    slots = {tensor["name"]: int(tensor["dims"][-1]) for tensor in config["input"]}.get(LABELS)
    if slots is None:
        return OnnxNetwork(onnx, config)
    widths = {*(narrow for narrow in NARROW_SLOTS if narrow < slots), slots}
    networks = {width: OnnxNetwork(onnx, with_slots(config, width)) for width in widths}
    for network in networks.values():
        network.warm_up()  # Triton's warm-up is all zeros: no slot is empty, so it meets the widest only
    return SlotBuckets(networks)


def with_slots(config: Mapping[str, Any], slots: int) -> dict[str, Any]:
    """Returns a configuration whose prompts have so many slots."""
    dims = {LABELS: lambda dims: [*dims[:-1], slots], COORDS: lambda dims: [*dims[:-2], slots, dims[-1]]}
    inputs = [{**t, "dims": dims.get(t["name"], list)(t["dims"])} for t in config["input"]]
    return {**config, "input": inputs}


class InvalidCall(ValueError):
    """A request lacks an input, or its inputs disagree on how many rows it has."""


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
