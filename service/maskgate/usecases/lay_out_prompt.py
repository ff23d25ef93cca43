"""Lay a prompt out over the slots of a decoder, now that its image is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.prompt import PromptSlots

if TYPE_CHECKING:
    from maskgate.domain.call import Call
    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.domain.frame import Frame
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import Prompt
    from maskgate.usecases.resolve_mask import ResolveMask


class LayOutPrompt:
    """Check, bring to pixels, resolve its mask, fill slots."""

    def __init__(self, *, resolve: ResolveMask) -> None:
        self._resolve = resolve

    async def __call__(
        self, prompt: Prompt, key: EmbeddingKey, frame: Frame, spec: ModelSpec, *, call: Call
    ) -> PromptSlots:
        """Return a prompt that fits the model as its tensors, as narrow as the model takes it.

        Args:
            prompt: What is pointed at.
            key: The embedding that it is about.
            frame: Where its image lies in the model's square.
            spec: The model.
            call: Whose prompt it is.

        Raises:
            InvalidPrompt: It lies outside the image, or its mask does not fit.
            MaskHandleNotFound: No mask of this embedding is kept under its handle.
        """
        prompt.check_inside(frame.original)
        prompt = prompt.in_pixels(frame.original)
        mask = None if prompt.mask is None else await self._resolve(prompt.mask, key, frame, spec.mask_size, call=call)
        return PromptSlots.fill(prompt, frame=frame, slots=spec.bucket(prompt.slots), mask=mask)
