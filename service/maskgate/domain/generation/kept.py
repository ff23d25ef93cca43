"""Logits that will be wanted again, as far as there is room for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.generation.candidates import CandidateId


class KeptLogits:
    """Those of candidates that would be part of the result, if it ended now: 128 KiB each with SAM.

    What is not kept is decoded again: candidates that come back, as what they gave way to gave way itself, and those
    that there was no room for.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._logits: dict[CandidateId, npt.NDArray[np.float16]] = {}

    def update(self, wanted: Collection[CandidateId], fresh: Mapping[CandidateId, npt.NDArray[np.float16]]) -> None:
        """Keep what is wanted, of what was kept and of views of a batch, which are copied; forget the rest."""
        wanted = set(wanted)
        self._logits = {id_: logits for id_, logits in self._logits.items() if id_ in wanted}
        size = sum(logits.nbytes for logits in self._logits.values())
        for id_ in [id_ for id_ in fresh if id_ in wanted]:
            size += fresh[id_].nbytes
            if size > self._max_bytes:
                return
            self._logits[id_] = fresh[id_].copy()

    def find(self, wanted: Collection[CandidateId]) -> dict[CandidateId, npt.NDArray[np.float16]]:
        """Return those that are kept."""
        return {id_: self._logits[id_] for id_ in wanted if id_ in self._logits}
