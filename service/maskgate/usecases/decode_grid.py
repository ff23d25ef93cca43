"""Decode the points of a grid on a crop, some at a time, and filter what comes."""

from __future__ import annotations

from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from maskgate.domain.errors import CacheUnavailable
from maskgate.domain.generation.screening import Screened
from maskgate.domain.mask import DecodedRows
from maskgate.domain.prompt import MaskSelection
from maskgate.usecases.ahead import ahead
from maskgate.usecases.in_steps import in_steps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Sequence

    import numpy.typing as npt

    from maskgate.domain.call import Call
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.generation.candidates import CandidateId, Candidates
    from maskgate.domain.generation.cursor import Cursor
    from maskgate.domain.generation.screening import View
    from maskgate.domain.generation.settings import GenerationSettings
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import PromptSlots
    from maskgate.ports import GenerationNotes, InferenceBackend, Offload

_UNDER_WAY = 2
"""Batches: while one is filtered the decoder has the next. Each takes 24 MiB of logits for 64 prompts of SAM."""


def batch_size(settings: GenerationSettings, spec: ModelSpec) -> int:
    """Return how many prompts are decoded at once."""
    return min(settings.points_per_batch or spec.max_prompts, spec.max_prompts)


@dataclass(frozen=True, slots=True)
class EmbeddedCrop:
    """A crop that is looked at.

    Attributes:
        view: What there is to see.
        spec: Of the model that looks.
        embedding: Of the crop; held by the caller.
    """

    view: View
    spec: ModelSpec
    embedding: HeldEmbedding

    @property
    def batch_size(self) -> int:
        """How many prompts are decoded at once."""
        return batch_size(self.view.settings, self.spec)


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of some points: how many they were, what is left after the filters, and seconds."""

    prompts: int
    screened: Screened
    decode: float
    screen: float


@dataclass(frozen=True, slots=True)
class _Work:
    crop: EmbeddedCrop
    since: Cursor
    call: Call


class DecodeGrid:
    """Decodes batch after batch, in the order of the grid. What a generation has found before is not decoded again."""

    def __init__(self, *, backend: InferenceBackend, offload: Offload, notes: GenerationNotes) -> None:
        self._backend = backend
        self._offload = offload
        self._notes = notes

    async def __call__(self, crop: EmbeddedCrop, since: Cursor, *, call: Call) -> AsyncGenerator[Batch, None]:
        """Yield what comes of each batch.

        Raises:
            Overloaded, BackendUnavailable, DeadlineExceeded, InferenceFailed: As the port says.
        """
        points, size = crop.view.points(), crop.batch_size
        work = _Work(crop, since, call)
        starts = [
            partial(self._batch, work, points[first : first + size], first) for first in range(0, len(points), size)
        ]
        async with aclosing(ahead(starts, depth=_UNDER_WAY)) as batches:
            async for batch in batches:
                yield batch

    async def again(
        self, crop: EmbeddedCrop, wanted: Collection[CandidateId], *, call: Call
    ) -> dict[CandidateId, npt.NDArray[np.float16]]:
        """Decode the logits of candidates whose logits were not kept."""
        numbers = sorted({id_.point for id_ in wanted})
        points = crop.view.points()
        found: dict[CandidateId, npt.NDArray[np.float16]] = {}
        for first in range(0, len(numbers), crop.batch_size):
            part = numbers[first : first + crop.batch_size]
            rows = await self._decode(crop, crop.view.slots(points[part], crop.spec.prompt_slots), call)
            found |= {id_: logits for id_, logits in crop.view.named(rows, part) if id_ in wanted}
        return found

    async def _batch(self, work: _Work, points: npt.NDArray[np.float64], first: int) -> Batch:
        name = f"{work.since.request}:{work.crop.view.crop.index}:{first}"
        if work.since.told and (noted := await self._noted(name)) is not None:
            return Batch(len(points), Screened(noted, {}), decode=0.0, screen=0.0)
        batch = await self._decoded(work, points, first)
        with suppress(CacheUnavailable):  # it is decoded again then
            await self._notes.put(name, batch.screened.candidates)
        return batch

    async def _noted(self, name: str) -> Candidates | None:
        with suppress(CacheUnavailable):
            return await self._notes.get(name)
        return None

    async def _decoded(self, work: _Work, points: npt.NDArray[np.float64], first: int) -> Batch:
        view, began = work.crop.view, perf_counter()
        rows = await self._decode(work.crop, view.slots(points, work.crop.spec.prompt_slots), work.call)
        decoded = perf_counter()
        screened = await in_steps(self._offload, view.screen(rows, first))
        return Batch(len(points), screened, decode=decoded - began, screen=perf_counter() - decoded)

    async def _decode(self, crop: EmbeddedCrop, slots: Sequence[PromptSlots], call: Call) -> DecodedRows:
        spec, embedding = crop.spec, crop.embedding
        if spec.max_prompts > 1:
            return await self._backend.decode_many(spec, embedding, slots, MaskSelection.ALL, call=call)
        masks = await self._backend.decode(spec, embedding, slots[0], MaskSelection.ALL, call=call)
        return DecodedRows(masks.logits[None], masks.ious[None], np.array([masks.tokens]))
