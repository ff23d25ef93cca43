"""Triton's messages on the path of a click, put together from bytes.

Building a ModelInferRequest with protobuf copies a 2 MiB embedding twice. A request is therefore a header, serialised
once per kind of call, followed by the raw tensors as they lie in memory: field 7 of KServe's grpc_predict_v2.proto,
`raw_input_contents`. Protobuf allows the fields of a message in any order, and repeated ones keep theirs.

How urgent a request is, and how long it may queue, are parameters, which are known only when it is sent: field 4.

A tensor that lies in a shared region is named instead: its input has three parameters, and no raw contents. Triton
counts off the raw contents over the other inputs alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from tritonclient.grpc.service_pb2 import ModelInferRequest, ModelInferResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_INPUTS = b"\x2a"  # field 5, wire type 2
_RAW_INPUT_CONTENTS = b"\x3a"  # field 7, wire type 2
_LEAST_TIMEOUT = 1000  # microseconds
_DTYPES: dict[str, np.dtype[np.floating]] = {"FP16": np.dtype("<f2"), "FP32": np.dtype("<f4")}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Name, Triton datatype and shape of an input, the batch dimension included."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """A tensor in a region that Triton knows: its name, and where in it."""

    region: str
    offset: int
    size: int

    def __len__(self) -> int:
        return self.size


@dataclass(frozen=True, slots=True)
class Terms:
    """How a request is to be queued.

    Attributes:
        priority: The lower the sooner; what the model's configuration does not have counts as its default.
        queue_seconds: How long it may wait; then Triton answers that it has expired, and does not execute it. At most
            what the model's configuration says.
    """

    priority: int
    queue_seconds: float

    def serialise(self) -> bytes:
        """Write the parameters; appended to a request they are part of it."""
        message = ModelInferRequest()
        message.parameters["priority"].uint64_param = self.priority
        # 0 would mean for ever
        message.parameters["timeout"].int64_param = max(_LEAST_TIMEOUT, round(self.queue_seconds * 1e6))
        serialised: bytes = message.SerializeToString()
        return serialised


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A call of a model whose shapes are fixed, serialised but for the tensors.

    Attributes:
        header: The message without its inputs.
        inputs: The description of each input, in order.
        sizes: The number of bytes that each tensor must have, in order.
    """

    header: bytes
    inputs: tuple[bytes, ...]
    sizes: tuple[int, ...]

    @classmethod
    def create(cls, model: str, *, inputs: Sequence[Tensor], outputs: Sequence[str]) -> RequestTemplate:
        """Serialise the header of a call that wants some of the model's outputs."""
        message = ModelInferRequest(model_name=model)
        for name in outputs:
            message.outputs.add(name=name)
        return cls(message.SerializeToString(), tuple(map(_describe, inputs)), tuple(map(_size_of, inputs)))

    def fill(self, *tensors: bytes | memoryview | Shared, terms: Terms | None = None) -> bytes:
        """Append the raw tensors, and where the others lie; without terms the request queues as the model's default.

        Raises:
            ValueError: A tensor has another size than the header says.
        """
        if tuple(map(len, tensors)) != self.sizes:
            raise ValueError(f"Tensors of {tuple(map(len, tensors))} bytes, not {self.sizes}.")
        parts: list[bytes | memoryview] = [self.header, b"" if terms is None else terms.serialise()]
        for described, tensor in zip(self.inputs, tensors, strict=True):
            if isinstance(tensor, Shared):
                parts += _field(_INPUTS, described + _where(tensor))
            else:
                parts += (*_field(_INPUTS, described), *_field(_RAW_INPUT_CONTENTS, tensor))
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Reply:
    """A parsed answer, outputs by name."""

    message: ModelInferResponse

    @classmethod
    def parse(cls, data: bytes) -> Reply:
        """Parse a serialised ModelInferResponse."""
        return cls(ModelInferResponse.FromString(data))

    def raw(self, name: str) -> bytes:
        """Return an output as bytes. Raises KeyError."""
        index, _ = self._find(name)
        data: bytes = self.message.raw_output_contents[index]
        return data

    def array(self, name: str) -> npt.NDArray[np.floating]:
        """Return a floating-point output; read-only, it shares the reply's memory. Raises KeyError."""
        index, output = self._find(name)
        data: npt.NDArray[np.floating] = np.frombuffer(
            self.message.raw_output_contents[index], _DTYPES[output.datatype]
        )
        return data.reshape(tuple(output.shape))

    def _find(self, name: str) -> tuple[int, Any]:
        for index, output in enumerate(self.message.outputs):
            if output.name == name:
                return index, output
        raise KeyError(name)


def _describe(tensor: Tensor) -> bytes:
    described = ModelInferRequest.InferInputTensor(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    serialised: bytes = described.SerializeToString()
    return serialised


@lru_cache(maxsize=4096)  # one for each slot of a slab of 8 GiB
def _where(tensor: Shared) -> bytes:
    """Serialise the parameters of an input; appended to its description they are part of it."""
    located = ModelInferRequest.InferInputTensor()
    located.parameters["shared_memory_region"].string_param = tensor.region
    located.parameters["shared_memory_byte_size"].int64_param = tensor.size
    if tensor.offset:
        located.parameters["shared_memory_offset"].int64_param = tensor.offset
    serialised: bytes = located.SerializeToString()
    return serialised


def _field(tag: bytes, value: bytes | memoryview) -> tuple[bytes, bytes, bytes | memoryview]:
    return tag, _varint(len(value)), value


_ITEM_BYTES = {"UINT8": 1, "FP16": 2, "FP32": 4, "INT32": 4}


def _size_of(tensor: Tensor) -> int:
    return int(np.prod(tensor.shape)) * _ITEM_BYTES[tensor.datatype]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte, as protobuf's encoding has it
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
