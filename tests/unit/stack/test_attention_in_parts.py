from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import openvino
import pytest
from openvino import opset13

from tests.unit.stack.fake_triton import load_backend

if TYPE_CHECKING:
    from types import ModuleType

HEADS, SIDE, CHANNELS = 3, 4, 8
AREA = SIDE * SIDE
WHOLE = HEADS * AREA * AREA * 4
"""Bytes of all scores."""


@pytest.fixture(scope="module")
def attention_in_parts() -> ModuleType:
    """The module beside the backend's, which finds it as soon as it is loaded."""
    return import_module("attention_in_parts", package=load_backend().__name__)


def attention(images: int = 1, value_heads: int = HEADS, keys_transposed: bool = True) -> openvino.Model:  # noqa: FBT001, FBT002
    """Makes an attention with relative positions, as the image encoder's graph has it."""
    keys_shape = (AREA, CHANNELS) if keys_transposed else (CHANNELS, AREA)
    queries, keys, values, rows, columns = (
        opset13.parameter([images, *shape], np.float32)
        for shape in (
            (HEADS, AREA, CHANNELS),
            (HEADS, *keys_shape),
            (value_heads, AREA, CHANNELS),
            (HEADS, AREA, SIDE, 1),
            (HEADS, AREA, 1, SIDE),
        )
    )
    product = opset13.matmul(queries, keys, False, keys_transposed)  # noqa: FBT003
    split = opset13.reshape(product, [images, HEADS, AREA, SIDE, SIDE], special_zero=False)
    scores = opset13.add(split, opset13.add(rows, columns))
    shares = opset13.softmax(opset13.reshape(scores, [images, HEADS, AREA, AREA], special_zero=False), -1)
    attended = opset13.matmul(shares, values, False, False)  # noqa: FBT003
    return openvino.Model([opset13.relu(attended)], [queries, keys, values, rows, columns])


def answer(graph: openvino.Model) -> np.ndarray:
    """Computes a graph on random inputs, the same for graphs of the same inputs."""
    random = np.random.default_rng(5)
    inputs = [random.standard_normal(port.get_shape(), np.float32) for port in graph.inputs]
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    (output,) = openvino.Core().compile_model(graph, "CPU", settings)(inputs).values()
    return output


def scores_at_a_time(graph: openvino.Model) -> list[int]:
    """Returns the bytes that each softmax of a graph writes."""
    softmaxes = [node for node in graph.get_ops() if node.get_type_name() == "Softmax"]
    return [4 * math.prod(node.get_output_shape(0)) for node in softmaxes]


@pytest.mark.parametrize("keys_transposed", [True, False])
@pytest.mark.parametrize(("most", "parts"), [(WHOLE - 1, HEADS), (WHOLE // 6, 6), (WHOLE // 7, HEADS * 4)])
def test_attention_in_parts_is_the_same(
    attention_in_parts: ModuleType,
    most: int,
    parts: int,
    keys_transposed: bool,  # noqa: FBT001
) -> None:
    """Parts by head and query, no larger than allowed, compute what the whole attention does."""
    graph = attention(keys_transposed=keys_transposed)

    attention_in_parts.split_attentions(graph, most)

    assert [WHOLE // parts] * parts == scores_at_a_time(graph)
    assert np.allclose(answer(attention(keys_transposed=keys_transposed)), answer(graph), atol=1e-5)


def test_small_attentions_stay_whole(attention_in_parts: ModuleType) -> None:
    """Scores that fit are computed at once."""
    graph = attention()

    attention_in_parts.split_attentions(graph, WHOLE)

    assert [WHOLE] == scores_at_a_time(graph)


@pytest.mark.parametrize("shape", [{"images": 2}, {"value_heads": 1}])
def test_other_attentions_stay_whole(attention_in_parts: ModuleType, shape: dict[str, int]) -> None:
    """Windows, which are many images, and heads that share their values are left as they are."""
    graph = attention(**shape)
    before = scores_at_a_time(graph)

    attention_in_parts.split_attentions(graph, 1)

    assert before == scores_at_a_time(graph)


def test_a_softmax_without_heads_stays_whole(attention_in_parts: ModuleType) -> None:
    """A softmax of two axes is no attention of many heads, though a product follows."""
    queries = opset13.parameter([AREA, CHANNELS], np.float32)
    shares = opset13.softmax(opset13.matmul(queries, queries, False, True), -1)  # noqa: FBT003
    graph = openvino.Model([opset13.matmul(shares, queries, False, False)], [queries])  # noqa: FBT003

    attention_in_parts.split_attentions(graph, 1)

    assert len(scores_at_a_time(graph)) == 1


def test_positions_shared_by_heads(attention_in_parts: ModuleType) -> None:
    """A bias that is broadcast to heads is added as a whole, and attention still computes the same."""
    graph, whole = (attention_with_shared_bias() for _ in range(2))

    attention_in_parts.split_attentions(graph, WHOLE // 6)

    assert len(scores_at_a_time(graph)) == 6
    assert np.allclose(answer(whole), answer(graph), atol=1e-5)


def attention_with_shared_bias() -> openvino.Model:
    queries, bias = (
        opset13.parameter([1, heads, AREA, size], np.float32) for heads, size in ((HEADS, CHANNELS), (1, AREA))
    )
    scores = opset13.add(opset13.matmul(queries, queries, False, True), bias)  # noqa: FBT003
    attended = opset13.matmul(opset13.softmax(scores, -1), queries, False, False)  # noqa: FBT003
    return openvino.Model([attended], [queries, bias])
