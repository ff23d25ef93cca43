"""Turn a mask that a client sent into the logits that a decoder takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.mask_prompt import LogitsSource, logits_of_bytes, logits_of_pixels

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.frame import Frame
    from maskgate.domain.mask_prompt import MaskSource
    from maskgate.ports import MaskReader, Offload


class ResolveMask:
    """Read, bring to the model's size; a picture beside the event loop."""

    def __init__(self, *, reader: MaskReader, offload: Offload) -> None:
        self._reader = reader
        self._offload = offload

    async def __call__(self, source: MaskSource, frame: Frame, mask_size: int) -> npt.NDArray[np.float16]:
        """Return logits fp16 [M, M] in the model's square frame.

        Raises:
            InvalidPrompt: The mask cannot be read, or is of another size than the image or the model's logits.
        """
        if isinstance(source, LogitsSource):
            return logits_of_bytes(source.data, mask_size)
        png = source.png
        return await self._offload(
            lambda: logits_of_pixels(self._reader.pixels(png, size=frame.original), frame, mask_size)
        )
