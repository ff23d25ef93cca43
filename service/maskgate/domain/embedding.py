"""Image embeddings: what they are called, and how they look as bytes."""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskgate.domain.image import ImageSize
from maskgate.domain.quantised import dequantise, quantise, quantised_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from maskgate.domain.image import ImageId, Region
    from maskgate.domain.model import ModelSpec

_HEADER = struct.Struct("<4sIIQ")  # magic, width, height, length of the tensor
_CHECKSUM = struct.Struct("<I")  # CRC-32 of the header and the tensor
_TENSOR_START = _HEADER.size + _CHECKSUM.size


class EmbeddingStorage(enum.Enum):
    """How an embedding is written where others find it; everybody reads every form."""

    FP16 = "fp16"
    INT8 = "int8"


_MAGIC = {EmbeddingStorage.FP16: b"MGE1", EmbeddingStorage.INT8: b"MGE8"}
_STORAGE = {magic: storage for storage, magic in _MAGIC.items()}


@dataclass(frozen=True, slots=True)
class EmbeddingKey:
    """The address of an embedding: everything that its values depend on.

    A new engine, other weights or a changed preprocessing never read an old embedding.

    Attributes:
        region: The part of the image that was encoded as if it were the whole; None for the whole itself.
    """

    image_id: ImageId
    model: str
    weights_digest: str
    precision: str
    preprocessing: str
    region: Region | None = None

    @classmethod
    def of(cls, image_id: ImageId, spec: ModelSpec, region: Region | None = None) -> EmbeddingKey:
        """Name the embedding of an image, or of a part of it, by a model."""
        return cls(image_id, spec.name, spec.weights_digest, spec.precision, spec.preprocessing, region)

    def __str__(self) -> str:
        parts = (str(self.image_id), self.model, self.weights_digest, self.precision, self.preprocessing)
        return "|".join(parts if self.region is None else (*parts, ",".join(map(str, self.region.edges))))


@dataclass(frozen=True, slots=True)
class Embedding:
    """An image embedding together with the size of its image.

    With the size a cached embedding needs neither the image nor its pixels.

    Attributes:
        original: Size of the oriented image.
        tensor: fp16 [C, E, E], little-endian, C order, as bytes: what Triton takes as it is.
    """

    original: ImageSize
    tensor: bytes

    @property
    def size_bytes(self) -> int:
        """How much memory it takes, near enough."""
        return len(self.tensor)

    def to_bytes(self, storage: EmbeddingStorage = EmbeddingStorage.FP16) -> bytes:
        """Serialise: a header of 24 bytes (magic, width, height, length of the tensor, CRC-32), then the tensor.

        As int8 it takes half the bytes and five milliseconds; a tensor that cannot be written so is written as it is.
        """
        small = quantise(self.tensor) if storage is EmbeddingStorage.INT8 else None
        magic = _MAGIC[EmbeddingStorage.FP16 if small is None else storage]
        header = _HEADER.pack(magic, self.original.width, self.original.height, len(self.tensor))
        body = small or self.tensor
        return header + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(header))) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Embedding | None:
        """Read what `to_bytes` wrote; None where the bytes are truncated, damaged or of another version."""
        if len(data) < _TENSOR_START:
            return None
        magic, width, height, length = _HEADER.unpack_from(data)
        (checksum,) = _CHECKSUM.unpack_from(data, _HEADER.size)
        body, storage = data[_TENSOR_START:], _STORAGE.get(magic)
        if storage is None or len(body) != _size_of(length, storage):
            return None
        if zlib.crc32(body, zlib.crc32(data[: _HEADER.size])) != checksum:
            return None
        return cls(ImageSize(width, height), body if storage is EmbeddingStorage.FP16 else dequantise(body))


def _size_of(tensor_bytes: int, storage: EmbeddingStorage) -> int:
    return tensor_bytes if storage is EmbeddingStorage.FP16 else quantised_size(tensor_bytes)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in memory that other processes can map an embedding lies.

    Attributes:
        region: Name of the shared region; no other one ever has it.
        offset: Of the tensor's first byte in the region.
        generation: How many embeddings lay there before. With it a place names the embedding, not only the bytes.
    """

    region: str
    offset: int
    generation: int


@dataclass(frozen=True, slots=True)
class HeldEmbedding:
    """An embedding in the memory of this process that somebody is using; a context manager that releases it.

    Attributes:
        original: Size of the oriented image.
        tensor: As that of an Embedding; it stays as it is until it is released, and is not to be read after that.
        release: Ends the use; to be called exactly once.
        place: Where others find the tensor; None if nowhere.
    """

    original: ImageSize
    tensor: bytes | memoryview
    release: Callable[[], None]
    place: Place | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
