"""NVIDIA's own parser and builder, on a CPU: what they refuse here, no GPU would take either.

TensorRT for RTX builds ahead of time without a driver, and reads ONNX with the parser of TensorRT 10.16 and 11. Its
plans are of no use to Triton; that it builds one shows that every operator is known, that types agree (strong
typing), that shapes are integers and that the production profile is possible. Older parsers may refuse more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorrt_rtx_bindings as rtx

from maskforge.errors import RefusedGraph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from maskforge.engines.profiles import Shape, Shapes

STRONGLY_TYPED = 1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


@dataclass(frozen=True, slots=True)
class TensorType:
    """An input or output as the parser understood it: its dtype in TensorRT's words, and -1 for a free axis."""

    dtype: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Accepted:
    """A graph that was parsed and built.

    Attributes:
        inputs: By name.
        outputs: By name.
        plan_bytes: Size of the plan.
    """

    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    plan_bytes: int


class _Listener(rtx.ILogger):  # type: ignore[misc]
    """Keeps what the library says when something is wrong, instead of printing it."""

    def __init__(self) -> None:
        rtx.ILogger.__init__(self)
        self.errors: list[str] = []

    def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
        if severity <= rtx.ILogger.Severity.ERROR:
            self.errors.append(message)


def build_on_cpu(onnx: Path, profile: Mapping[str, Shapes]) -> Accepted:
    """Parse and build a graph, with the weights that lie beside it.

    Raises:
        RefusedGraph: The parser or the builder does not accept it, or not for that profile.
    """
    listener = _Listener()
    builder = rtx.Builder(listener)
    network = builder.create_network(STRONGLY_TYPED)
    parser = rtx.OnnxParser(network, listener)
    if not parser.parse_from_file(str(onnx)):
        raise RefusedGraph(onnx.name, tuple(parser.get_error(index).desc() for index in range(parser.num_errors)))
    inputs = _inputs(network)
    if unknown := sorted(profile.keys() - inputs.keys()):  # the builder would not mention them
        raise RefusedGraph(onnx.name, tuple(f"the profile has {name}, the graph does not" for name in unknown))
    plan = builder.build_serialized_network(network, _config(builder, profile))
    if plan is None:
        raise RefusedGraph(onnx.name, tuple(listener.errors))
    return Accepted(inputs, _outputs(network), plan.nbytes)


def _config(builder: rtx.Builder, profile: Mapping[str, Shapes]) -> rtx.IBuilderConfig:
    config, shapes = builder.create_builder_config(), builder.create_optimization_profile()
    for name, sizes in profile.items():
        shapes.set_shape(name, *sizes)
    config.add_optimization_profile(shapes)
    return config


def _inputs(network: rtx.INetworkDefinition) -> dict[str, TensorType]:
    return dict(_described(network.get_input(index)) for index in range(network.num_inputs))


def _outputs(network: rtx.INetworkDefinition) -> dict[str, TensorType]:
    return dict(_described(network.get_output(index)) for index in range(network.num_outputs))


def _described(tensor: rtx.ITensor) -> tuple[str, TensorType]:
    return tensor.name, TensorType(tensor.dtype.name, tuple(tensor.shape))
