"""Logits that will be wanted again, as far as there is room for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

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
        self._bytes = 0

    def keep(self, wanted: Iterable[CandidateId], fresh: Mapping[CandidateId, npt.NDArray[np.float16]]) -> None:
        """Keep copies of what is wanted of a batch, if the batch has it: it has views of all that was decoded."""
        for id_ in wanted:
            if id_ in fresh and self._bytes + fresh[id_].nbytes <= self._max_bytes:
                self._logits[id_] = fresh[id_].copy()
                self._bytes += fresh[id_].nbytes

    def forget(self, unwanted: Iterable[CandidateId]) -> None:
        """Make room."""
        for id_ in unwanted:
            if (logits := self._logits.pop(id_, None)) is not None:
                self._bytes -= logits.nbytes

    def clear(self) -> None:
        """Forget all."""
        self._logits, self._bytes = {}, 0

    def find(self, wanted: Collection[CandidateId]) -> dict[CandidateId, npt.NDArray[np.float16]]:
        """Return those that are kept."""
        return {id_: self._logits[id_] for id_ in wanted if id_ in self._logits}
