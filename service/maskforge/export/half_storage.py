"""Stores a graph's weights as fp16, followed by a Cast, so that files are half the size.

Computation is not touched: TensorRT and OpenVINO fold the casts when they load the graph.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST_HALVED = 256
"""Elements; below that a Cast node costs more than it saves."""


def store_weights_as_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose large fp32 initializers are fp16 with a Cast back to fp32."""
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    graph = halved.graph
    large = [tensor for tensor in graph.initializer if _is_large(tensor)]
    for tensor in large:
        name = tensor.name
        tensor.CopyFrom(_as_half(tensor))
        graph.node.insert(0, helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    return halved


def _is_large(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and int(np.prod(tensor.dims)) >= SMALLEST_HALVED


def _as_half(tensor: onnx.TensorProto) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor).astype(np.float16)
    if not np.isfinite(values).all():
        raise ValueError(f"{tensor.name} does not fit into fp16")
    return numpy_helper.from_array(values, f"{tensor.name}.fp16")
