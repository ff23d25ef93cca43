"""Makes a model repository of tiny ONNX models that say `backend: "tensorrt"`, as the real ones do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
name: "{name}"
backend: "tensorrt"
max_batch_size: 8
input [ {{ name: "values" data_type: TYPE_FP16 dims: [ -1 ] }} ]
output [
  {{ name: "doubled" data_type: TYPE_FP16 dims: [ -1 ] }},
  {{ name: "total" data_type: TYPE_FP32 dims: [ 1 ] }}
]
instance_group [ {{ kind: KIND_AUTO count: 1 }} ]
dynamic_batching {{ max_queue_delay_microseconds: 200000 }}
parameters {{ key: "precision" value {{ string_value: "fp32" }} }}
"""


def write_repository(folder: Path, *, model: str) -> Path:
    """Writes the three Triton models of `model`, each of which doubles its input and sums it up."""
    for part in ("encoder", "decoder", "decoder_multi"):
        name = f"{model}_{part}"
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(CONFIG.format(name=name), encoding="utf-8")
        onnx.save(doubling_model(), folder / name / "1" / "model.onnx")
    return folder


def doubling_model() -> onnx.ModelProto:
    """`doubled` FP16 [B,N] = 2 · `values` FP16 [B,N]; `total` FP32 [B,1] = the sum of `values` over N."""
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["values", "values"], ["doubled"]),
            helper.make_node("Cast", ["values"], ["exact"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["exact", "axes"], ["total"], keepdims=1),
        ],
        "doubling",
        [helper.make_tensor_value_info("values", TensorProto.FLOAT16, ["B", "N"])],
        [
            helper.make_tensor_value_info("doubled", TensorProto.FLOAT16, ["B", "N"]),
            helper.make_tensor_value_info("total", TensorProto.FLOAT, ["B", 1]),
        ],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
