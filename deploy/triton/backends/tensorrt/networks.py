"""What a model computes with: its graph, compiled several times where most calls need only a part of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from compiled_models import CGROUP_QUOTA, WHOLE, Part, available_cores
from graphs import InvalidCall, OnFirstUse, OnnxNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from graphs import Array, Network

COORDS, LABELS = "point_coords", "point_labels"
HAS_MASK, MASK = "has_mask_input", "mask_input"
EMBEDDING = "image_embeddings"
NO_MASK = frozenset({HAS_MASK, MASK})
PLAIN = Part(zero=NO_MASK, outputs=frozenset({"best_mask", "best_iou", "iou_predictions"}))
"""All that a prompt without a mask needs, if one mask is wanted for it: most clicks."""
SEVERAL = Part(zero=NO_MASK, outputs=frozenset({"low_res_masks", "iou_predictions"}))
"""All that a prompt without a mask needs, if all masks are wanted."""
GRID = SEVERAL._replace(abreast=True)
"""The same for many such prompts: everything in an image. Two cores take a third longer for one prompt at a time than
for two, one each. The logits may differ from those of the others in the last bit, as the kernels do."""
PARTS, PARTS_OF_MANY = (PLAIN, SEVERAL, WHOLE), (PLAIN, GRID, WHOLE)
"""What one prompt, or one of many, is computed in: the cheapest first."""
EMPTY_SLOT = -2.0
ANY = -1
"""What a configuration says of an axis that has no fixed size."""
NARROW_SLOTS = (2, 4)
"""Graphs are compiled for so many slots too, besides the configuration's."""


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
        slots, network = next((bucket for bucket in self._networks if bucket[0] >= used), (0, None))
        if network is None:
            raise InvalidCall(f"a prompt has {used} slots, of {self._networks[-1][0]}")
        return network.infer({**inputs, **of_width(inputs, slots)}, wanted=wanted)


class PartsFirst:
    """Computes a prompt in the first part of the graph that will do.

    Embedding a mask input that is not there, and drawing masks that nobody asked for, is a sixth of the whole graph's
    time (docs/adr/0010).
    """

    def __init__(self, parts: Sequence[tuple[Part, Network]]) -> None:
        """Takes parts, the cheapest first and the whole graph at the end."""
        self._parts = parts

    @property
    def input_names(self) -> Sequence[str]:
        """Those of the whole graph."""
        _, whole = self._parts[-1]
        return whole.input_names

    def infer(self, inputs: Mapping[str, Array], *, wanted: Sequence[str]) -> dict[str, Array]:
        """Computes the wanted outputs."""
        has_mask = bool(inputs[HAS_MASK].any())
        network = next(network for part, network in self._parts if _will_do(part, wanted, has_mask=has_mask))
        return network.infer(inputs, wanted=wanted)


def _will_do(part: Part, wanted: Sequence[str], *, has_mask: bool) -> bool:
    return not (has_mask and part.zero) and (part.outputs is None or part.outputs.issuperset(wanted))


class PromptByPrompt:
    """Computes each prompt of a row by itself, in a graph of fixed shape, and as many abreast as the graph allows.

    A graph for any number of prompts would take half as long again for each of them (docs/adr/0015).
    """

    def __init__(self, network: Network, *, threads: int) -> None:
        """Takes what computes one prompt, and how many may be asked of it at once."""
        self._network = network
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="prompts")

    @property
    def input_names(self) -> Sequence[str]:
        """Those of a prompt."""
        return self._network.input_names

    def infer(self, inputs: Mapping[str, Array], *, wanted: Sequence[str]) -> dict[str, Array]:
        """Computes the wanted outputs, [1,K,...]; all inputs but the embedding are [1,K,...]."""
        counts = {array.shape[1] for name, array in inputs.items() if name != EMBEDDING}
        if len(counts) != 1 or 0 in counts:
            raise InvalidCall(f"inputs disagree on the number of prompts, or there are none: {sorted(counts)}")
        count = counts.pop()
        prompts = [_prompt(inputs, index) for index in range(count)]
        return _together(self._threads.map(lambda prompt: self._network.infer(prompt, wanted=wanted), prompts), count)


def _together(answers: Iterator[dict[str, Array]], count: int) -> dict[str, Array]:
    """Puts answers together while further ones are computed: of 64 prompts they have 32 MiB."""
    first = next(answers)
    whole = {name: np.empty((1, count, *array.shape[2:]), array.dtype) for name, array in first.items()}
    for index, answer in enumerate(chain([first], answers)):
        for name, array in answer.items():
            whole[name][:, index] = array[:, 0]
    return whole


def _prompt(inputs: Mapping[str, Array], index: int) -> dict[str, Array]:
    return {name: array if name == EMBEDDING else array[:, index : index + 1] for name, array in inputs.items()}


def used_slots(labels: Array) -> int:
    """Counts the slots up to the last one that is not empty, in any of the prompts."""
    used = np.flatnonzero((labels != EMPTY_SLOT).any(axis=tuple(range(labels.ndim - 1))))
    return int(used[-1]) + 1 if used.size else 0


def of_width(inputs: Mapping[str, Array], slots: int) -> dict[str, Array]:
    """Cuts empty slots off prompts, or appends some, until they have so many."""
    missing = max(0, slots - inputs[LABELS].shape[-1])
    labels, coords = inputs[LABELS][..., :slots], inputs[COORDS][..., :slots, :]
    if missing:
        rest = [(0, 0)] * (labels.ndim - 1)
        labels = np.pad(labels, [*rest, (0, missing)], constant_values=EMPTY_SLOT)
        coords = np.pad(coords, [*rest, (0, missing), (0, 0)])
    return {LABELS: labels, COORDS: coords}


def load_network(onnx: Path, config: Mapping[str, Any]) -> Network:
    """Compiles a graph, several times if it takes prompts."""
    dims = {tensor["name"]: [int(dim) for dim in tensor["dims"]] for tensor in config["input"]}
    if LABELS not in dims:
        return OnnxNetwork(onnx, config)
    prompts, slots = dims[LABELS]
    graph = PromptGraph(onnx, config, buckets_of(config, slots))
    if prompts == ANY:
        parts = graph.parts(PARTS_OF_MANY, often=[GRID])
        return PromptByPrompt(PartsFirst(parts), threads=available_cores(CGROUP_QUOTA))
    return PartsFirst(graph.parts(PARTS, often=[PLAIN, WHOLE]))


def buckets_of(config: Mapping[str, Any], slots: int) -> list[int]:
    """The numbers of slots that a configuration promises; those of longer prompts are a parameter."""
    if slots != ANY:
        return [slots]
    return [int(bucket) for bucket in config["parameters"]["slot_buckets"]["string_value"].split(",")]


class PromptGraph:
    """Compiles a graph for one prompt, in several widths."""

    def __init__(self, onnx: Path, config: Mapping[str, Any], buckets: Sequence[int]) -> None:
        """Takes the numbers of slots that prompts may have; there are narrower graphs than the first, too."""
        self._onnx = onnx
        self._config = config
        self._usual = [*(narrow for narrow in NARROW_SLOTS if narrow < buckets[0]), buckets[0]]
        self._long = buckets[1:]

    def parts(self, parts: Sequence[Part], *, often: Sequence[Part]) -> list[tuple[Part, Network]]:
        """Parts of the graph, the cheapest first; those needed often are compiled at once, but for long prompts.

        Whichever are, the same part answers a prompt: two of them may differ in the last bits.
        """
        return [(part, self._buckets(part, at_once=part in often)) for part in parts]

    def _buckets(self, part: Part, *, at_once: bool) -> SlotBuckets:
        usual = {slots: (self._warm if at_once else self._later)(slots, part) for slots in self._usual}
        return SlotBuckets({**usual, **{slots: self._later(slots, part) for slots in self._long}})

    def _warm(self, slots: int, part: Part) -> Network:
        network = OnnxNetwork(self._onnx, with_slots(self._config, slots), part)
        network.warm_up()  # Triton's warm-up is all zeros: no slot is empty, so it meets one width only
        return network

    def _later(self, slots: int, part: Part) -> Network:
        return OnFirstUse(self._onnx, with_slots(self._config, slots), part)


def with_slots(config: Mapping[str, Any], slots: int) -> dict[str, Any]:
    """Returns a configuration of one prompt that has so many slots."""
    widths = {LABELS: lambda dims: [*dims[:-1], slots], COORDS: lambda dims: [*dims[:-2], slots, dims[-1]]}
    inputs = [{**t, "dims": _of_one(widths.get(t["name"], list)(t["dims"]))} for t in config["input"]]
    return {**config, "input": inputs}


def _of_one(dims: Sequence[Any]) -> list[int]:
    first, *rest = map(int, dims)
    return [1 if first == ANY else first, *rest]
