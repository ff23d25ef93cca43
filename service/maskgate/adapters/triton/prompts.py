"""Prompts as the tensors of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskgate.adapters.triton.calls import decode_call, decode_many_call
from maskgate.domain.prompt import MaskSelection

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskgate.adapters.triton.wire import RequestTemplate, Shared, Terms
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import PromptSlots

    Zeros = Callable[[int], bytes | Shared]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about one image.

    Attributes:
        spec: The model.
        embedding: The image's, which is held until the answer is there.
        rows: Prompts of the same number of slots.
        selection: Which masks are wanted, of each.
        many: Whether it is for the decoder of many prompts.
    """

    spec: ModelSpec
    embedding: HeldEmbedding
    rows: tuple[PromptSlots, ...]
    selection: MaskSelection
    many: bool

    @property
    def stage(self) -> str:
        """What metrics call it."""
        return "decode_many" if self.many else "decode"

    def request(self, embedding: bytes | memoryview | Shared, zeros: Zeros, terms: Terms) -> bytes:
        """Write the request, with tensors or the places of some; `zeros` are where no prompt has a mask.

        Masks are always sent, 128 KiB each with SAM: there is no place for them in the memory that embeddings lie in.
        """
        best = self.selection is MaskSelection.BEST
        return self._template().fill(
            embedding,
            b"".join(row.coords.tobytes() for row in self.rows),
            b"".join(row.labels.tobytes() for row in self.rows),
            self._masks() if self._has_mask() else zeros(len(self.rows) * self.spec.mask_bytes),
            np.array([row.mask is not None for row in self.rows], np.float32).tobytes(),
            np.full(len(self.rows), best, np.float32).tobytes(),
            terms=terms,
        )

    def _template(self) -> RequestTemplate:
        if self.many:
            return decode_many_call(self.spec, self.selection, (len(self.rows), len(self.rows[0].labels)))
        return decode_call(self.spec, self.selection)

    def _has_mask(self) -> bool:
        return any(row.mask is not None for row in self.rows)

    def _masks(self) -> bytes:
        none = bytes(self.spec.mask_bytes)
        masks = (row.mask for row in self.rows)
        return b"".join(none if mask is None else mask.astype("<f2", copy=False).tobytes() for mask in masks)
