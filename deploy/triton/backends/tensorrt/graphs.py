"""One graph, compiled: what a network is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import triton_python_backend_utils as pb_utils
from compiled_models import WHOLE, CompiledModels, Part, tensors_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]


class InvalidCall(ValueError):
    """A request lacks an input, or what it has does not go together or is too much."""


class Network(Protocol):
    """A function from arrays to arrays, by name."""

    @property
    def input_names(self) -> Sequence[str]:
        """The inputs, all of which it needs."""

    def infer(self, inputs: Mapping[str, Array], *, wanted: Sequence[str]) -> dict[str, Array]:
        """Computes the wanted outputs; they stay as they are when it is called again."""


class OnnxNetwork:
    """An ONNX graph compiled by OpenVINO, with the tensors that the model's configuration promises."""

    def __init__(self, onnx: Path, config: Mapping[str, Any], part: Part = WHOLE) -> None:
        """Compiles a part of the graph in the shapes of `config`; the graph must have every tensor of `config`."""
        self._compiled = CompiledModels.from_environment().compile(onnx, config, part)
        self._inputs = tensors_of(self._compiled.inputs, part.inputs_of(config), of=onnx)
        self._outputs = tensors_of(self._compiled.outputs, part.outputs_of(config), of=onnx)
        self._dtypes = {o["name"]: pb_utils.triton_string_to_numpy(o["data_type"]) for o in config["output"]}

    @property
    def input_names(self) -> Sequence[str]:
        """The inputs of the model's configuration that its part of the graph has."""
        return tuple(self._inputs)

    def infer(self, inputs: Mapping[str, Array], *, wanted: Iterable[str]) -> dict[str, Array]:
        """Returns the wanted outputs, in the dtypes of the model's configuration.

        Each inference has a request of its own: making one takes 10 microseconds (measured), and its outputs belong
        to nobody else, so that responses can be views of them instead of copies.
        """
        request = self._compiled.create_infer_request()
        request.infer({name: self._typed(name, inputs[name]) for name in self._inputs}, share_inputs=True)
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


class OnFirstUse:
    """A part of a graph that is compiled when it is first needed: by few calls, or never."""

    def __init__(self, onnx: Path, config: Mapping[str, Any], part: Part) -> None:
        """Takes what an OnnxNetwork is made of."""
        self._made_of = (onnx, config, part)
        self._network: OnnxNetwork | None = None

    @property
    def input_names(self) -> Sequence[str]:
        """As those of the network will be."""
        _, config, part = self._made_of
        return [tensor["name"] for tensor in part.inputs_of(config)]

    def infer(self, inputs: Mapping[str, Array], *, wanted: Sequence[str]) -> dict[str, Array]:
        """Computes the wanted outputs."""
        if self._network is None:
            self._network = OnnxNetwork(*self._made_of)
        return self._network.infer(inputs, wanted=wanted)
