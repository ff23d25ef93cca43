"""Keep what was answered, so that the next prompt can start from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from maskgate.domain.mask_handle import MaskAddress, MaskHandle

if TYPE_CHECKING:
    from maskgate.domain.call import Call
    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.domain.mask import DecodedMasks
    from maskgate.domain.output import RenderedMask
    from maskgate.ports import MaskShelf


class KeepMasks:
    """Gives each mask a handle of its own. The shelf makes nobody wait (adapters/behind.py)."""

    def __init__(self, *, shelf: MaskShelf) -> None:
        self._shelf = shelf

    async def __call__(
        self, key: EmbeddingKey, decoded: DecodedMasks, masks: tuple[RenderedMask, ...], *, call: Call
    ) -> tuple[RenderedMask, ...]:
        """Return the masks that were rendered of what was decoded, with their handles."""
        named = {MaskHandle.new(): mask for mask in masks}
        kept = {name: decoded.logits_to_keep(mask.token) for name, mask in named.items()}
        await self._shelf.put({MaskAddress(name, key, call.tenant.name): logits for name, logits in kept.items()})
        return tuple(replace(mask, handle=name) for name, mask in named.items())
