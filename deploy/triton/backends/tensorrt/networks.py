"""What a model computes with: its graph, compiled several times where most calls need only a part of it."""

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

COORDS, LABELS = "point_coords", "point_labels"
HAS_MASK, MASK = "has_mask_input", "mask_input"
BEST = frozenset({"best_mask", "best_iou", "iou_predictions"})
PLAIN = Part(zero=frozenset({HAS_MASK, MASK}), outputs=BEST)
"""All that a prompt without a mask needs, if one mask is wanted for it: most clicks."""
EMPTY_SLOT = -2.0
NARROW_SLOTS = (2, 4)
"""Graphs are compiled for so many slots too, besides the configuration's."""


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

    def infer(self, inputs: Mapping[str, Array], *, wanted: Sequence[str]) -> dict[str, Array]:
        """Computes the wanted outputs; labels are [B,K,P], coordinates [B,K,P,2]."""
        used = used_slots(inputs[LABELS])
        slots, network = next((slots, network) for slots, network in self._networks if slots >= used)
        narrow = {LABELS: inputs[LABELS][..., :slots], COORDS: inputs[COORDS][..., :slots, :]}
        return network.infer({**inputs, **narrow}, wanted=wanted)


class PlainFirst:
    """Computes a prompt in a graph that knows of no mask inputs and of one mask alone, whenever that will do.

    Embedding a mask input that is not there, and drawing masks that nobody asked for, is a sixth of the whole graph's
    time (docs/adr/0010).
    """

    def __init__(self, *, plain: Network, whole: Network) -> None:
        """Takes both networks."""
        self._plain = plain
        self._whole = whole

    @property
    def input_names(self) -> Sequence[str]:
        """Those of the whole graph."""
        return self._whole.input_names

    def infer(self, inputs: Mapping[str, Array], *, wanted: Sequence[str]) -> dict[str, Array]:
        """Computes the wanted outputs."""
        is_plain = BEST.issuperset(wanted) and not inputs[HAS_MASK].any()
        return (self._plain if is_plain else self._whole).infer(inputs, wanted=wanted)


def used_slots(labels: Array) -> int:
    """Counts the slots up to the last one that is not empty, in any of the prompts."""
    used = np.flatnonzero((labels != EMPTY_SLOT).any(axis=tuple(range(labels.ndim - 1))))
    return int(used[-1]) + 1 if used.size else 0


def load_network(onnx: Path, config: Mapping[str, Any]) -> Network:
    """Compiles a graph, several times if it takes prompts."""
    dims = {tensor["name"]: [int(dim) for dim in tensor["dims"]] for tensor in config["input"]}
    if LABELS not in dims:
        return OnnxNetwork(onnx, config)
    whole = _buckets(onnx, config, WHOLE)
    if -1 in dims[LABELS]:  # of many prompts all masks are wanted
        return whole
    return PlainFirst(plain=_buckets(onnx, config, PLAIN), whole=whole)


def _buckets(onnx: Path, config: Mapping[str, Any], part: Part) -> SlotBuckets:
    slots = next(int(tensor["dims"][-1]) for tensor in config["input"] if tensor["name"] == LABELS)
    widths = {*(narrow for narrow in NARROW_SLOTS if narrow < slots), slots}
    networks = {width: OnnxNetwork(onnx, with_slots(config, width), part) for width in widths}
    for network in networks.values():
        network.warm_up()  # Triton's warm-up is all zeros: no slot is empty, so it meets the widest only
    return SlotBuckets(networks)


def with_slots(config: Mapping[str, Any], slots: int) -> dict[str, Any]:
    """Returns a configuration whose prompts have so many slots."""
    dims = {LABELS: lambda dims: [*dims[:-1], slots], COORDS: lambda dims: [*dims[:-2], slots, dims[-1]]}
    inputs = [{**t, "dims": dims.get(t["name"], list)(t["dims"])} for t in config["input"]]
    return {**config, "input": inputs}
