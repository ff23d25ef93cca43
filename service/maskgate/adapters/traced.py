"""Wrappers around the ports that make spans; only there where traces are kept. No span holds anything of a client's."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from maskgate.adapters.near import SharedImageStore
    from maskgate.domain.call import Call
    from maskgate.domain.embedding import Embedding, EmbeddingKey, HeldEmbedding
    from maskgate.domain.image import EncoderImage, ImageId, ImageInfo, Region
    from maskgate.domain.mask import DecodedMasks, DecodedRows
    from maskgate.domain.mask_handle import MaskAddress
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import MaskSelection, PromptSlots
    from maskgate.domain.tenant import Tenant
    from maskgate.ports import (
        EmbeddingCache,
        EncodeLocks,
        ImageDecoder,
        InferenceBackend,
        Lease,
        MaskShelf,
        Offload,
    )
    from maskgate.telemetry.tracing import Tracer

_T = TypeVar("_T")
_REDIS = {"db.system.name": "redis"}


class TracedCache:
    """What is asked of embeddings in Redis."""

    def __init__(self, inner: EmbeddingCache, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def get(self, key: EmbeddingKey) -> Embedding | None:
        """See EmbeddingCache."""
        with self._tracer.asking("redis embedding get", **_REDIS):
            return await self._inner.get(key)

    async def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """See EmbeddingCache."""
        with self._tracer.asking("redis embedding put", **_REDIS):
            await self._inner.put(key, embedding)

    async def delete(self, image_id: ImageId) -> None:
        """See EmbeddingCache."""
        with self._tracer.asking("redis embedding delete", **_REDIS):
            await self._inner.delete(image_id)


class TracedStore:
    """What is asked of images in Redis."""

    def __init__(self, inner: SharedImageStore, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def put(self, info: ImageInfo, content: bytes) -> None:
        """See ImageStore."""
        with self._tracer.asking("redis image put", **_REDIS):
            await self._inner.put(info, content)

    async def put_back(self, info: ImageInfo, content: bytes, *, age: float | None = None) -> bool:
        """See SharedImageStore."""
        with self._tracer.asking("redis image put back", **_REDIS):
            return await self._inner.put_back(info, content, age=age)

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        """See ImageStore."""
        with self._tracer.asking("redis image info", **_REDIS):
            return await self._inner.info(image_id)

    async def infos(self, image_ids: Sequence[ImageId]) -> list[ImageInfo | None]:
        """See ImageStore."""
        with self._tracer.asking("redis image infos", **_REDIS):
            return await self._inner.infos(image_ids)

    async def content(self, image_id: ImageId) -> bytes | None:
        """See ImageStore."""
        with self._tracer.asking("redis image content", **_REDIS):
            return await self._inner.content(image_id)

    async def delete(self, image_id: ImageId, *, but_for: Tenant | None = None) -> bool:
        """See ImageStore."""
        with self._tracer.asking("redis image delete", **_REDIS):
            return await self._inner.delete(image_id, but_for=but_for)


class TracedMasks:
    """What is asked of masks in Redis; they are put there when the answer has long gone, for no trace."""

    def __init__(self, inner: MaskShelf, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        """See MaskShelf."""
        await self._inner.put(masks)

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        """See MaskShelf."""
        with self._tracer.asking("redis mask get", **_REDIS):
            return await self._inner.get(address)


class TracedLocks:
    """The wait for other gateways."""

    def __init__(self, inner: EncodeLocks, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def take(self, key: EmbeddingKey) -> Lease | None:
        """See EncodeLocks."""
        with self._tracer.asking("redis encode turn", **_REDIS):
            return await self._inner.take(key)


class TracedBackend:
    """The calls to the inference server, which is told of their spans."""

    def __init__(self, inner: InferenceBackend, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def spec(self, model: str) -> ModelSpec:
        """See InferenceBackend."""
        return await self._inner.spec(model)

    async def encode(self, spec: ModelSpec, image: EncoderImage) -> bytes:
        """See InferenceBackend."""
        with self._tracer.asking("triton encode", model=spec.name):
            return await self._inner.encode(spec, image)

    async def expect_encoder(self, model: str) -> None:
        """See InferenceBackend."""
        await self._inner.expect_encoder(model)

    async def wait_for_encoder(self, model: str) -> None:
        """See InferenceBackend."""
        with self._tracer.doing("wait for encoder"):
            await self._inner.wait_for_encoder(model)

    async def decode(
        self, spec: ModelSpec, embedding: HeldEmbedding, slots: PromptSlots, selection: MaskSelection, *, call: Call
    ) -> DecodedMasks:
        """See InferenceBackend."""
        with self._tracer.asking("triton decode", model=spec.name):
            return await self._inner.decode(spec, embedding, slots, selection, call=call)

    async def decode_many(
        self,
        spec: ModelSpec,
        embedding: HeldEmbedding,
        rows: Sequence[PromptSlots],
        selection: MaskSelection,
        *,
        call: Call,
    ) -> DecodedRows:
        """See InferenceBackend."""
        with self._tracer.asking("triton decode_many", model=spec.name, prompts=len(rows)):
            return await self._inner.decode_many(spec, embedding, rows, selection, call=call)


class TracedDecoder:
    """The reading of image files."""

    def __init__(self, inner: ImageDecoder, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def inspect(self, image_id: ImageId, content: bytes) -> ImageInfo:
        """See ImageDecoder."""
        with self._tracer.doing("inspect image"):
            return await self._inner.inspect(image_id, content)

    async def prepare(self, content: bytes, *, side: int, region: Region | None = None) -> EncoderImage:
        """See ImageDecoder."""
        with self._tracer.doing("decode pixels"):
            return await self._inner.prepare(content, side=side, region=region)


class TracedOffload:
    """Computations of one kind."""

    def __init__(self, inner: Offload, tracer: Tracer, *, name: str) -> None:
        self._inner = inner
        self._tracer = tracer
        self._name = name

    async def __call__(self, compute: Callable[[], _T], /) -> _T:
        """See Offload."""
        with self._tracer.doing(self._name):
            return await self._inner(compute)
