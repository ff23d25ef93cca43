"""Decode the masks of prompts: which decoder takes them is decided here."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.call import Call
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.mask import DecodedMasks
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import MaskSelection, PromptSlots
    from maskgate.ports import InferenceBackend
    from maskgate.usecases.admission import Admission


@dataclass(frozen=True, slots=True)
class Decoded:
    """Masks and what it took to get them: the wait for a place and the decoder's time, in seconds."""

    masks: DecodedMasks
    queue: float
    decode: float


class Decode:
    """Wait for a permit, decode."""

    def __init__(self, *, backend: InferenceBackend, admission: Admission) -> None:
        self._backend = backend
        self._admission = admission

    async def __call__(
        self, spec: ModelSpec, embedding: HeldEmbedding, slots: PromptSlots, selection: MaskSelection, *, call: Call
    ) -> Decoded:
        """Decode one prompt on an embedding that the caller holds meanwhile.

        Raises:
            Overloaded: Too many prompts wait already, or for longer than the call can.
            BackendUnavailable, DeadlineExceeded, InferenceFailed: As the port says.
        """
        async with self._admission.permit(call.tenant, deadline=call.deadline) as queued:
            started = perf_counter()
            (masks,) = await self.admitted(spec, embedding, (slots,), selection, call=call)
            return Decoded(masks, queue=queued, decode=perf_counter() - started)

    async def admitted(
        self,
        spec: ModelSpec,
        embedding: HeldEmbedding,
        rows: Sequence[PromptSlots],
        selection: MaskSelection,
        *,
        call: Call,
    ) -> tuple[DecodedMasks, ...]:
        """Decode 1 to `max_prompts` prompts of one width for a caller that holds a permit of another tier.

        A short prompt alone goes to the decoder of one prompt, which batches it with those on other images; long ones,
        and several, to that of many.
        """
        if len(rows) == 1 and len(rows[0].labels) == spec.prompt_slots:
            return (await self._backend.decode(spec, embedding, rows[0], selection, call=call),)
        decoded = await self._backend.decode_many(spec, embedding, rows, selection, call=call)
        return tuple(decoded[row] for row in range(len(decoded)))
