"""What the use cases need of the outside world.

The comments are the contract; tests/contract/ holds every adapter to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.embedding import Embedding, EmbeddingKey
    from maskgate.domain.image import EncoderImage, ImageId, ImageInfo
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import MaskSelection, PromptSlots

_T = TypeVar("_T")


class EmbeddingCache(Protocol):
    """Remembers embeddings for a while. May forget any of them at any time."""

    async def get(self, key: EmbeddingKey) -> Embedding | None:
        """Return what was put, or None.

        Damaged entries are None as well. Raises CacheUnavailable where the cache cannot be asked.
        """
        ...

    async def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """Remember an embedding, in place of one of the same key. Raises CacheUnavailable."""
        ...


class ImageStore(Protocol):
    """Keeps uploaded images until they expire. Asking for an image makes it live on."""

    async def put(self, info: ImageInfo, content: bytes) -> None:
        """Keep an image. Keeping it twice is the same as once. Raises StoreUnavailable."""
        ...

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        """Return what is known of an image, None where it is not kept. Raises StoreUnavailable."""
        ...

    async def content(self, image_id: ImageId) -> bytes | None:
        """Return the uploaded bytes, None where they are not kept. Raises StoreUnavailable."""
        ...


class ImageDecoder(Protocol):
    """Reads image files. The first frame counts, as RGB, with the EXIF orientation applied."""

    async def inspect(self, image_id: ImageId, content: bytes) -> ImageInfo:
        """Decode an upload once to know that it can be decoded.

        Raises InvalidImage where it cannot, and ImageTooLarge, before a pixel is decoded, where it has too many.
        """
        ...

    async def prepare(self, content: bytes, *, side: int) -> EncoderImage:
        """Decode an image and fit it into an encoder's square input of that side. Raises InvalidImage."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedMasks:
    """What a mask decoder answers to one prompt.

    Attributes:
        logits: fp16 [N, M, M], low-resolution masks in the model's square frame; above 0 is foreground.
        ious: float32 [N], predicted intersection over union of each.
    """

    logits: npt.NDArray[np.float16]
    ious: npt.NDArray[np.float32]


class InferenceBackend(Protocol):
    """Runs the models. Every method raises BackendUnavailable, Overloaded or InferenceFailed."""

    async def spec(self, model: str) -> ModelSpec:
        """Describe a model. Raises ModelNotFound. Cheap: asked on every request."""
        ...

    async def encode(self, spec: ModelSpec, image: EncoderImage) -> bytes:
        """Compute an image embedding, fp16 [C, E, E] as bytes."""
        ...

    async def decode(
        self, spec: ModelSpec, embedding: bytes, slots: PromptSlots, selection: MaskSelection
    ) -> DecodedMasks:
        """Decode the masks of one prompt on one image, in the order of their tokens."""
        ...


class Offload(Protocol):
    """Runs a computation beside the event loop, on a bounded number of threads."""

    def __call__(self, compute: Callable[[], _T], /) -> Awaitable[_T]:
        """Run it and return its result."""
        ...


class MaskEncoder(Protocol):
    """Writes masks as image files."""

    def png(self, pixels: npt.NDArray[np.bool_]) -> bytes:
        """Return a PNG of one channel, 255 where the mask [H, W] is set and 0 elsewhere."""
        ...
