"""Give an embedding away, for decoding elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskgate.domain.embedding import EmbeddingKey
from maskgate.domain.model import ServedModel

if TYPE_CHECKING:
    from maskgate.domain.call import Call
    from maskgate.domain.image import ImageId, ImageSize
    from maskgate.ports import InferenceBackend
    from maskgate.usecases.embed_image import EmbedImage


@dataclass(frozen=True, slots=True)
class GivenEmbedding:
    """An embedding and what is needed to decode with it.

    Attributes:
        key: All that its values depend on.
        model: What made it.
        original: Size of the oriented image.
        tensor: fp16 [C, E, E], little-endian, C order.
    """

    key: EmbeddingKey
    model: ServedModel
    original: ImageSize
    tensor: bytes


class GetEmbedding:
    """Embed, copy."""

    def __init__(self, *, embed: EmbedImage, backend: InferenceBackend, default_model: str) -> None:
        self._embed = embed
        self._backend = backend
        self._default_model = default_model

    async def __call__(self, image_id: ImageId, model: str = "", *, call: Call) -> GivenEmbedding:
        """Return the embedding of an image, which is encoded now if it has to be.

        Raises:
            ModelNotFound: There is no such model.
            ImageNotFound: The image is not kept.
            StoreUnavailable, BackendUnavailable, Overloaded, InferenceFailed: As the ports say.
        """
        spec = await self._backend.spec(model or self._default_model)
        served = ServedModel(spec.name, spec.name == self._default_model, spec)
        async with self._embed(image_id, spec, call=call) as embedded:
            held = embedded.embedding
            return GivenEmbedding(EmbeddingKey.of(image_id, spec), served, held.original, bytes(held.tensor))
