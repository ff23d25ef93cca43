"""What runs the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.call import Call
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.image import EncoderImage
    from maskgate.domain.mask import DecodedMasks, DecodedRows
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import MaskSelection, PromptSlots


class InferenceBackend(Protocol):
    """Runs the models. Every method raises BackendUnavailable, Overloaded or InferenceFailed."""

    async def spec(self, model: str) -> ModelSpec:
        """Describe a model. Raises ModelNotFound. Cheap: asked on every request."""
        ...

    async def encode(self, spec: ModelSpec, image: EncoderImage) -> bytes:
        """Compute an image embedding, fp16 [C, E, E] as bytes.

        Raises EncoderStarting where no encoder runs and one is on its way.
        """
        ...

    async def expect_encoder(self, model: str) -> None:
        """Raise EncoderStarting where `encode` would, as far as is known: nothing is to be prepared in vain."""
        ...

    async def wait_for_encoder(self, model: str) -> None:
        """Wait until an encode is worth another try after EncoderStarting, however long that takes. Never raises."""
        ...

    async def decode(
        self, spec: ModelSpec, embedding: HeldEmbedding, slots: PromptSlots, selection: MaskSelection, *, call: Call
    ) -> DecodedMasks:
        """Decode the masks of one prompt on one image, in the order of their tokens; it has `prompt_slots` slots.

        The caller holds the embedding until this returns. Raises DeadlineExceeded where the call's has passed.
        """
        ...

    async def decode_many(
        self,
        spec: ModelSpec,
        embedding: HeldEmbedding,
        rows: Sequence[PromptSlots],
        selection: MaskSelection,
        *,
        call: Call,
    ) -> DecodedRows:
        """Decode the masks of 1 to `max_prompts` prompts on one image, a row for each, as `decode` does.

        All have the same number of slots, which is one of the model's `slot_buckets`.
        """
        ...
