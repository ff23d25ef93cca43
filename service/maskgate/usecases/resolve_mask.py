"""Turn a mask that a client sent, or named, into the logits that a decoder takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.mask_handle import MaskAddress, mask_handle_not_found
from maskgate.domain.mask_prompt import (
    HandleSource,
    LogitsSource,
    logits_of_answer,
    logits_of_bytes,
    logits_of_pixels,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.call import Call
    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.domain.frame import Frame
    from maskgate.domain.mask_prompt import MaskSource, PngSource
    from maskgate.ports import MaskReader, MaskShelf, Offload


class ResolveMask:
    """Find or read, bring to the model's size; a picture beside the event loop."""

    def __init__(self, *, shelf: MaskShelf, reader: MaskReader, offload: Offload) -> None:
        self._shelf = shelf
        self._reader = reader
        self._offload = offload

    async def __call__(
        self, source: MaskSource, key: EmbeddingKey, frame: Frame, mask_size: int, *, call: Call
    ) -> npt.NDArray[np.float16]:
        """Return logits fp16 [M, M] in the model's square frame.

        Args:
            source: What the client sent.
            key: The embedding that the prompt is about.
            frame: Where its image lies in the model's square.
            mask_size: M.
            call: Whose prompt it is.

        Raises:
            InvalidPrompt: The mask cannot be read, or is of another size than the image or the model's logits.
            MaskHandleNotFound: No mask of this embedding and this tenant is kept under the handle.
        """
        match source:
            case HandleSource(handle):
                return await self._kept(MaskAddress(handle, key, call.tenant.name))
            case LogitsSource(data):
                return logits_of_bytes(data, mask_size)
        return await self._read(source, frame, mask_size)

    async def _kept(self, address: MaskAddress) -> npt.NDArray[np.float16]:
        logits = await self._shelf.get(address)
        if logits is None:
            raise mask_handle_not_found(address.handle)
        return logits_of_answer(logits)

    async def _read(self, source: PngSource, frame: Frame, mask_size: int) -> npt.NDArray[np.float16]:
        return await self._offload(
            lambda: logits_of_pixels(self._reader.pixels(source.png, size=frame.original), frame, mask_size)
        )
