"""Rewrites a graph so that large attentions are computed in parts whose scores stay in the caches.

A global block of SAM's ViT-B has scores of [12,4096,4096]: 400 MB in bfloat16, which OpenVINO writes to memory and
reads back for each of product, bias, softmax and product. In parts of 4 MiB (one head, 512 queries) a block's attention
takes 89 ms instead of 122 (two cores, AVX-512), and the encoder 8 % less time. Parts of 2 and 8 MiB gain less, of 1 MiB
nothing: every part packs the head's keys and values anew. The arithmetic is the same, to the bit.

OpenVINO's own fused attentions are slower here, with the scores' biases written out: 112 ms as one
ScaledDotProductAttention, 114 as one fused subgraph, 102 and 100 in parts.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from openvino import opset13

if TYPE_CHECKING:
    import openvino

LARGEST_SCORES = 4 << 20
"""Bytes of scores to be computed at a time."""


def split_attentions(graph: openvino.Model, largest: int = LARGEST_SCORES) -> None:
    """Computes attentions with more than `largest` bytes of scores head by head and in parts of their queries.

    Only attentions of one image and of fixed shape are split: scores [1,heads,queries,keys], values [1,heads,keys,C].
    """
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "Softmax" and node.get_output_partial_shape(0).is_static:
            least = _bytes(node.output(0)) / largest
            attended = _attended(node)
            if least > 1 and attended:
                _split(attended, least)


def _bytes(tensor: openvino.Output) -> int:
    return math.prod(tensor.get_shape()) * tensor.get_element_type().size


def _attended(softmax: openvino.Node) -> openvino.Output | None:
    """The product of scores and values, if that is the only thing that is done with them, and each head has its own."""
    users = [user.get_node() for user in softmax.output(0).get_target_inputs()]
    if [user.get_type_name() for user in users] != ["MatMul"]:
        return None
    images_and_heads = [str(source.get_partial_shape()[:-2]) for source in users[0].input_values()]
    heads = softmax.get_output_shape(0)[1:-2]
    return users[0].output(0) if images_and_heads == [f"[1,{count}]" for count in heads] * 2 else None


def _split(attended: openvino.Output, least: float) -> None:
    """Puts at least so many parts in the place of an attention."""
    _, heads, queries, _ = attended.get_shape()
    parts = Parts(heads, _divisor(queries, least / heads))
    rows = [opset13.concat([parts.part(attended, head, i) for i in range(parts.count)], 2) for head in range(heads)]
    attended.replace(opset13.concat(rows, 1).output(0))


def _divisor(number: int, least: float) -> int:
    """The smallest divisor of a number that is not below `least`, or the number itself."""
    return next((divisor for divisor in range(1, number) if divisor >= least and number % divisor == 0), number)


class Parts:
    """The same attention for one head and a share of the queries.

    Walks up from the attention's output, as far as tensors have heads and queries as their axes 1 and 2 and are added,
    reshaped, or multiplied with keys and values; what lies above is computed as a whole, and split. Splitting the axes
    one after the other costs nothing: all parts are contiguous, and OpenVINO makes views of them.
    """

    def __init__(self, heads: int, count: int) -> None:
        """Split the queries in `count` parts."""
        self.count = count
        self._heads = cache(lambda tensor: opset13.split(tensor, 1, heads).outputs())
        self._queries = cache(lambda tensor, head: opset13.split(self._heads(tensor)[head], 2, count).outputs())

    def part(self, tensor: openvino.Output, head: int, index: int) -> openvino.Output:
        """Returns a tensor's part, [1,1,queries/count,...]."""
        node = tensor.get_node()
        sources = node.input_values()
        match node.get_type_name():
            case "MatMul" if all(source.get_shape()[:2] == tensor.get_shape()[:2] for source in sources):
                rows, matrix = self.part(sources[0], head, index), self._heads(sources[1])[head]
                return opset13.matmul(rows, matrix, False, node.get_attributes()["transpose_b"]).output(0)  # noqa: FBT003
            case "Add" if all(source.get_shape()[:3] == tensor.get_shape()[:3] for source in sources):
                return opset13.add(*(self.part(source, head, index) for source in sources)).output(0)
            case "Softmax" if node.get_attributes()["axis"] in {-1, 3}:
                return opset13.softmax(self.part(sources[0], head, index), -1).output(0)
            case "Reshape" if sources[0].get_shape()[:3] == tensor.get_shape()[:3]:
                shape = [1, 1, tensor.get_shape()[2] // self.count, *tensor.get_shape()[3:]]
                return opset13.reshape(self.part(sources[0], head, index), shape, special_zero=False).output(0)
            case _:
                return self._queries(tensor, head)[index]
