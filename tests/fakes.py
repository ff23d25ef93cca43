"""Fakes behind our own ports: they count, fail or wait when a test tells them to, and know no technology."""

from __future__ import annotations

import asyncio
import hashlib
import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from maskgate.adapters.open import OpenGrants
from maskgate.domain.call import Call, Deadline
from maskgate.domain.embedding import HeldEmbedding
from maskgate.domain.errors import CacheUnavailable, ImageUrlUnavailable, ModelNotFound, StoreUnavailable
from maskgate.domain.frame import Frame
from maskgate.domain.image import EncoderImage, ImageInfo, ImageSize
from maskgate.domain.mask import DecodedMasks, DecodedRows
from maskgate.domain.model import ModelSpec
from maskgate.domain.prompt import MaskSelection
from maskgate.usecases.owned_images import OwnedImages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

    import numpy.typing as npt

    from maskgate.domain.api_key import ApiKey
    from maskgate.domain.embedding import Embedding, EmbeddingKey
    from maskgate.domain.generation.candidates import Candidates
    from maskgate.domain.image import ImageId, Region
    from maskgate.domain.mask_handle import MaskAddress
    from maskgate.domain.prompt import PromptSlots
    from maskgate.domain.tenant import Tenant
    from maskgate.domain.url import ImageUrl
    from maskgate.ports import ImageGrants

_T = TypeVar("_T")

SIZE = ImageSize(40, 30)

SPEC = ModelSpec(
    name="tiny",
    input_size=64,
    embedding_shape=(4, 8, 8),
    mask_size=32,
    mask_tokens=4,
    prompt_slots=8,
    slot_buckets=(8, 16),
    max_prompts=4,
    weights_digest="sha256:" + "0" * 64,
    precision="fp32",
    preprocessing="longest-side-bilinear/1",
)

CALL = Call(Deadline.after(3600))
"""A call that has all the time that a test run can take."""

IOUS = (0.6, 0.5, 0.9, 0.7)
"""What FakeBackend predicts, in the order of the tokens."""
TOKENS = {
    MaskSelection.SINGLE: (0,),
    MaskSelection.BEST: (2,),
    MaskSelection.ALL: (1, 2, 3),
    MaskSelection.EVERY: (0, 1, 2, 3),
}


async def inline(compute: Callable[[], _T], /) -> _T:
    """An Offload without threads."""
    return compute()


class BusyThreads:
    """An Offload whose threads are busy until they are released."""

    def __init__(self) -> None:
        self.taken, self.released = asyncio.Event(), asyncio.Event()

    async def __call__(self, compute: Callable[[], _T], /) -> _T:
        self.taken.set()
        await self.released.wait()
        return compute()


@dataclass(frozen=True)
class Decode:
    """A decode that FakeBackend was asked for."""

    embedding: bytes
    slots: PromptSlots
    selection: MaskSelection


class FakeBackend:
    """Finds the left half of the square; of several masks, each is a row shorter than the one before.

    Attributes:
        logits: If there are any, fp16 [T, M, M], the tokens' masks.
        encodes: How many images were encoded.
        decodes: The prompts that were decoded, one by one or together.
        together: How many prompts each decode of many had.
        encode_error, decode_error: Raised instead of an answer, while set.
        encode_errors: Raised instead of an answer, one after the other.
        encoder_error: Raised, while set, before an image is prepared.
        encoder: Whoever waits for an encoder waits for it.
        spec_errors: Raised instead of a model's spec, by its name.
        gate: Encoding and decoding wait for it.
    """

    def __init__(self, *specs: ModelSpec) -> None:
        self.specs = {spec.name: spec for spec in specs or (SPEC,)}
        self.encodes = 0
        self.decodes: list[Decode] = []
        self.together: list[int] = []
        self.encode_error: Exception | None = None
        self.decode_error: Exception | None = None
        self.encode_errors: list[Exception] = []
        self.encoder_error: Exception | None = None
        self.spec_errors: dict[str, Exception] = {}
        self.logits: npt.NDArray[np.float16] | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.encoder = asyncio.Event()

    def serve(self, spec: ModelSpec) -> None:
        """Serve a model in place of one of its name."""
        self.specs[spec.name] = spec

    async def spec(self, model: str) -> ModelSpec:
        if model in self.spec_errors:
            raise self.spec_errors[model]
        if model not in self.specs:
            raise ModelNotFound(f"There is no model {model!r}.", model=model)
        return self.specs[model]

    def replace(self, spec: ModelSpec) -> None:
        """Serve another engine under the name of a model."""
        self.specs[spec.name] = spec

    async def encode(self, spec: ModelSpec, image: EncoderImage) -> bytes:
        self.encodes += 1
        await self.gate.wait()
        if self.encode_errors:
            raise self.encode_errors.pop(0)
        if self.encode_error is not None:
            raise self.encode_error
        digest = hashlib.sha256(image.pixels.tobytes()).digest()
        return (digest * spec.embedding_bytes)[: spec.embedding_bytes]

    async def expect_encoder(self, model: str) -> None:
        del model
        if self.encoder_error is not None:
            raise self.encoder_error

    async def wait_for_encoder(self, model: str) -> None:
        del model
        await self.encoder.wait()

    async def decode(
        self, spec: ModelSpec, embedding: HeldEmbedding, slots: PromptSlots, selection: MaskSelection, *, call: Call
    ) -> DecodedMasks:
        del call
        assert slots.labels.shape == (spec.prompt_slots,)
        return await self._masks(spec, Decode(embedding.tensor, slots, selection))

    async def decode_many(
        self,
        spec: ModelSpec,
        embedding: HeldEmbedding,
        rows: Sequence[PromptSlots],
        selection: MaskSelection,
        *,
        call: Call,
    ) -> DecodedRows:
        del call
        assert 1 <= len(rows) <= spec.max_prompts
        assert {len(row.labels) for row in rows} <= {*spec.slot_buckets}
        assert len({len(row.labels) for row in rows}) == 1
        self.together.append(len(rows))
        found = [await self._masks(spec, Decode(embedding.tensor, slots, selection)) for slots in rows]
        return DecodedRows(
            np.stack([masks.logits for masks in found]),
            np.stack([masks.ious for masks in found]),
            np.array([masks.tokens for masks in found]),
        )

    async def _masks(self, spec: ModelSpec, asked: Decode) -> DecodedMasks:
        self.decodes.append(asked)
        selection = asked.selection
        await self.gate.wait()
        if self.decode_error is not None:
            raise self.decode_error
        tokens = TOKENS[selection]
        ious = np.array([IOUS[token] for token in tokens], np.float32)
        if self.logits is not None:
            return DecodedMasks(self.logits[list(tokens)], ious, tokens)
        logits = np.full((len(ious), spec.mask_size, spec.mask_size), -2, np.float16)
        for index in range(len(ious)):
            logits[index, index:, : spec.mask_size // 2] = 2
        return DecodedMasks(logits, ious, tokens)


class FakeDecoder:
    """Takes any bytes for a grey image of the same size.

    Attributes:
        inspected, prepared: How often it was asked.
        prepare_error: Raised instead of preparing an image.
    """

    def __init__(self, size: ImageSize = SIZE) -> None:
        self._size = size
        self.inspected = 0
        self.prepared = 0
        self.prepare_error: Exception | None = None

    async def inspect(self, image_id: ImageId, content: bytes) -> ImageInfo:
        self.inspected += 1
        return ImageInfo(image_id, self._size, "FAKE", len(content))

    async def prepare(self, content: bytes, *, side: int, region: Region | None = None) -> EncoderImage:
        del content
        self.prepared += 1
        if self.prepare_error is not None:
            raise self.prepare_error
        size = self._size if region is None else region.size
        return EncoderImage(np.full((3, side, side), 128, np.uint8), Frame(size, side).valid, size)


class FakeMaskEncoder:
    """Writes masks as their bytes."""

    def png(self, pixels: npt.NDArray[np.bool_]) -> bytes:
        return pixels.tobytes()


class FakeMaskReader:
    """Reads masks as FakeMaskEncoder writes them."""

    def pixels(self, png: bytes, *, size: ImageSize) -> npt.NDArray[np.bool_]:
        return np.frombuffer(png, np.bool_).reshape(size.height, size.width)


class Unwatched:
    """An EmbeddingWatcher that does not care."""

    def awaited(self) -> AbstractContextManager[None]:
        return nullcontext()

    def pending(self, key: EmbeddingKey) -> AbstractContextManager[None]:
        del key
        return nullcontext()


class FakeShelf:
    """An embedding shelf that is a dictionary.

    Attributes:
        entries: What is kept.
        held: Once for each holder, what is held.
    """

    def __init__(self) -> None:
        self.entries: dict[EmbeddingKey, Embedding] = {}
        self.held: list[EmbeddingKey] = []

    def hold(self, key: EmbeddingKey) -> HeldEmbedding | None:
        return self._held(key, self.entries[key]) if key in self.entries else None

    def keep(self, key: EmbeddingKey, embedding: Embedding) -> HeldEmbedding:
        return self._held(key, self.entries.setdefault(key, embedding))

    def drop(self, image_id: ImageId) -> None:
        _drop(self.entries, image_id)

    def _held(self, key: EmbeddingKey, embedding: Embedding) -> HeldEmbedding:
        self.held.append(key)
        return HeldEmbedding(embedding.original, embedding.tensor, release=partial(self.held.remove, key))


def held(tensor: bytes) -> HeldEmbedding:
    """An embedding that nobody keeps."""
    return HeldEmbedding(SIZE, tensor, release=lambda: None)


def _drop(entries: dict[EmbeddingKey, Embedding], image_id: ImageId) -> None:
    for key in [key for key in entries if key.image_id == image_id]:
        del entries[key]


class FakeCache:
    """An embedding cache that is a dictionary.

    Attributes:
        entries: What is kept.
        store: Where images are deleted, if that matters.
    """

    def __init__(self, store: FakeStore | None = None) -> None:
        self.entries: dict[EmbeddingKey, Embedding] = {}
        self.store = store or FakeStore()

    async def get(self, key: EmbeddingKey) -> Embedding | None:
        return self.entries.get(key)

    async def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        if key.image_id not in self.store.deleted:
            self.entries[key] = embedding

    async def delete(self, image_id: ImageId) -> None:
        _drop(self.entries, image_id)

    def shorten(self, key: EmbeddingKey) -> None:
        """Make an entry too short for its model."""
        self.entries[key] = replace(self.entries[key], tensor=self.entries[key].tensor[:-2])


class FakeLocks:
    """Turns of gateways that share a cache.

    Attributes:
        owners: Whose turn it is.
    """

    def __init__(self, cache: FakeCache) -> None:
        self._cache = cache
        self.owners: dict[EmbeddingKey, FakeLease] = {}

    async def take(self, key: EmbeddingKey) -> FakeLease | None:
        waited = False
        while key in self.owners and key not in self._cache.entries:
            waited = True
            await asyncio.sleep(0)
        if key in self._cache.entries:
            return None
        lease = FakeLease(self, key, taken_over=waited)
        self.owners[key] = lease
        return lease


class FakeLease:
    """A turn that lasts until it is released."""

    def __init__(self, locks: FakeLocks, key: EmbeddingKey, *, taken_over: bool) -> None:
        self._locks = locks
        self._key = key
        self.taken_over = taken_over

    async def release(self) -> None:
        if self._locks.owners.get(self._key) is self:
            del self._locks.owners[self._key]


class FakeStore:
    """An image store that is a dictionary.

    Attributes:
        puts: How often an image was put.
        reads: How often an image's bytes were read.
        deleted: When images were deleted.
        looks: How often it was asked for anything.
    """

    def __init__(self, grants: FakeGrants | None = None) -> None:
        self._grants = grants or FakeGrants()
        self._images: dict[ImageId, tuple[ImageInfo, bytes]] = {}
        self.puts = 0
        self.reads = 0
        self.deleted: dict[ImageId, float] = {}
        self.looks = 0

    async def put(self, info: ImageInfo, content: bytes) -> None:
        self.puts += 1
        self._images[info.image_id] = (info, content)
        self.deleted.pop(info.image_id, None)

    async def put_back(self, info: ImageInfo, content: bytes, *, age: float | None = None) -> bool:
        came = -math.inf if age is None else monotonic() - age
        if self.deleted.get(info.image_id, -math.inf) > came:
            return False
        await self.put(info, content)
        return True

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        self.looks += 1
        kept = self._images.get(image_id)
        return kept[0] if kept else None

    async def content(self, image_id: ImageId) -> bytes | None:
        self.reads += 1
        self.looks += 1
        kept = self._images.get(image_id)
        return kept[1] if kept else None

    async def infos(self, image_ids: Sequence[ImageId]) -> list[ImageInfo | None]:
        return [await self.info(image_id) for image_id in image_ids]

    async def delete(self, image_id: ImageId, *, but_for: Tenant | None = None) -> bool:
        if self._grants.held(image_id, but_for=but_for):
            return False
        self._images.pop(image_id, None)
        self.deleted[image_id] = monotonic()
        return True

    def forget(self) -> None:
        """Lose every image, as a store does after their time."""
        self._images.clear()


class FakeMasks:
    """A mask shelf that is a dictionary."""

    def __init__(self) -> None:
        self.entries: dict[MaskAddress, npt.NDArray[np.float16]] = {}

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        self.entries.update(masks)

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        return self.entries.get(address)


class FakeKeys:
    """Keys of tenants, by their texts."""

    def __init__(self, tenants: Mapping[str, Tenant]) -> None:
        self._tenants = tenants

    def tenant_of(self, key: ApiKey) -> Tenant | None:
        return self._tenants.get(str(key))


class FakeGrants:
    """Grants that never end, in a dictionary of weights; what was used last comes last.

    Attributes:
        asked: How often somebody asked.
        away: While true, nobody can tell.
    """

    def __init__(self) -> None:
        self._weights: dict[tuple[str, ImageId], int] = {}
        self.asked = 0
        self.away = False

    async def grant(self, tenant: Tenant, image_id: ImageId, *, weight: int) -> Sequence[ImageId]:
        self._answer()
        self._use((tenant.name, image_id), weight)
        gone = []
        mine = [key for key in self._weights if key[0] == tenant.name]
        limit = tenant.limits.cache_bytes or sum(self._weights.values())
        for key in mine[:-1]:
            if sum(self._weights.get(each, 0) for each in mine) > limit:
                del self._weights[key]
                gone.append(key[1])
        return gone

    async def granted(self, tenant: Tenant, image_ids: Collection[ImageId]) -> frozenset[ImageId]:
        self._answer()
        granted = frozenset(each for each in image_ids if (tenant.name, each) in self._weights)
        for image_id in granted:
            self._use((tenant.name, image_id), self._weights[tenant.name, image_id])
        return granted

    async def revoke(self, tenant: Tenant, image_id: ImageId) -> bool:
        self._answer()
        self._weights.pop((tenant.name, image_id), None)
        return self.held(image_id)

    def held(self, image_id: ImageId, *, but_for: Tenant | None = None) -> bool:
        """Whether a tenant, but for that one, may use an image."""
        return any(key[1] == image_id for key in self._weights if but_for is None or key[0] != but_for.name)

    def _use(self, key: tuple[str, ImageId], weight: int) -> None:
        self._weights.pop(key, None)
        self._weights[key] = weight

    def _answer(self) -> None:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("The grants are away.")


def owned(store: FakeStore | FailingStore, grants: ImageGrants | None = None) -> OwnedImages:
    """The images of a gateway, without keys where nothing else is said."""
    return OwnedImages(store=store, grants=grants or OpenGrants(), embedding_bytes=SPEC.embedding_bytes)


class FailingCache:
    """A cache that cannot be asked."""

    async def get(self, key: EmbeddingKey) -> Embedding | None:
        raise CacheUnavailable("The cache is away.", key=key)

    async def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        raise CacheUnavailable("The cache is away.", key=key, bytes=embedding.size_bytes)

    async def delete(self, image_id: ImageId) -> None:
        raise CacheUnavailable("The cache is away.", image_id=image_id)


class FakeDeletions:
    """Deletions through other gateways, as a test tells them.

    Attributes:
        untold: Those that are to be heard of next.
    """

    def __init__(self) -> None:
        self.untold: list[ImageId] = []

    async def heard(self) -> list[ImageId]:
        told, self.untold = self.untold, []
        return told


class FakeCopies:
    """Copies of images; the tests look at what is forgotten.

    Attributes:
        forgotten: What was.
    """

    def __init__(self) -> None:
        self.forgotten: list[ImageId] = []

    def forget(self, image_id: ImageId) -> None:
        self.forgotten.append(image_id)


class FakeFetcher:
    """A web that is a dictionary.

    Attributes:
        pages: Files by their addresses.
        asked: What was fetched.
        answers: Fetching waits for it.
    """

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[ImageUrl] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def fetch(self, url: ImageUrl) -> bytes:
        self.asked.append(url)
        await self.answers.wait()
        if str(url) not in self.pages:
            raise ImageUrlUnavailable("The image could not be fetched.", host=url.host)
        return self.pages[str(url)]


class FailingDeletions:
    """Deletions that nobody can tell."""

    async def heard(self) -> list[ImageId]:
        raise StoreUnavailable("The store is away.")


class FailingMasks:
    """A mask shelf that cannot be asked."""

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        raise CacheUnavailable("The masks are away.", addresses=[*masks])

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        raise CacheUnavailable("The masks are away.", address=address)


class FailingLocks:
    """Locks that cannot be asked."""

    async def take(self, key: EmbeddingKey) -> None:
        raise CacheUnavailable("The locks are away.", key=key)


class FailingStore:
    """A store that cannot be asked."""

    async def put(self, info: ImageInfo, content: bytes) -> None:
        raise StoreUnavailable("The store is away.", image_id=info.image_id, bytes=len(content))

    async def put_back(self, info: ImageInfo, content: bytes, *, age: float | None = None) -> bool:
        del age
        raise StoreUnavailable("The store is away.", image_id=info.image_id, bytes=len(content))

    async def infos(self, image_ids: Sequence[ImageId]) -> list[ImageInfo | None]:
        raise StoreUnavailable("The store is away.", image_ids=image_ids)

    async def delete(self, image_id: ImageId, *, but_for: Tenant | None = None) -> bool:
        del but_for
        raise StoreUnavailable("The store is away.", image_id=image_id)

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        raise StoreUnavailable("The store is away.", image_id=image_id)

    async def content(self, image_id: ImageId) -> bytes | None:
        raise StoreUnavailable("The store is away.", image_id=image_id)


class FakeNotes:
    """What batches have found, as a dictionary.

    Attributes:
        entries: What is remembered.
        is_away: Whether it cannot be asked.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Candidates] = {}
        self.is_away = False

    async def get(self, batch: str) -> Candidates | None:
        self._check()
        return self.entries.get(batch)

    async def put(self, batch: str, found: Candidates) -> None:
        self._check()
        self.entries[batch] = found

    def _check(self) -> None:
        if self.is_away:
            raise CacheUnavailable("The notes are away.")
