"""One generation, crop by crop: embed, decode, filter, choose, finish."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from maskgate.domain.generation.candidates import Candidates, inclusive
from maskgate.domain.generation.crops import crops_of, smallest_first
from maskgate.domain.generation.events import GenerationProgress, GenerationSummary, WithdrawnMask
from maskgate.domain.generation.kept import KeptLogits
from maskgate.domain.generation.query import Delivery
from maskgate.domain.generation.screening import View
from maskgate.domain.generation.selection import CropSelection, without_duplicates
from maskgate.domain.timing import CacheTier, Timing
from maskgate.usecases.decode_grid import EmbeddedCrop
from maskgate.usecases.finish_mask import Chosen
from maskgate.usecases.in_steps import in_steps
from maskgate.usecases.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from maskgate.domain.call import Call
    from maskgate.domain.generation.candidates import CandidateId
    from maskgate.domain.generation.cursor import Cursor
    from maskgate.domain.generation.events import Told
    from maskgate.domain.generation.query import GenerationQuery
    from maskgate.domain.generation.selection import Selected
    from maskgate.domain.generation.settings import GenerationSettings
    from maskgate.domain.generation.suppression import Suppression
    from maskgate.domain.image import ImageSize
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.steps import Steps
    from maskgate.ports import Offload
    from maskgate.usecases.decode_grid import Batch, DecodeGrid
    from maskgate.usecases.embed_image import Effort, EmbedImage
    from maskgate.usecases.finish_mask import Finished, FinishMask

    Tell = Callable[[Told], Awaitable[None]]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class GenerationTools:
    """What every generation works with.

    Attributes:
        logits_bytes: Most memory for logits of masks that are not finished yet; further ones are decoded again.
    """

    embed: EmbedImage
    grid: DecodeGrid
    finish: FinishMask
    offload: Offload
    logits_bytes: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, of which model, and where it is to go on."""

    query: GenerationQuery
    spec: ModelSpec
    since: Cursor


@dataclass(frozen=True, slots=True)
class Start:
    """What was done before a place was taken.

    Attributes:
        began: When the call did, by `perf_counter`.
        size: Of the image.
        effort: What it took to get the whole image's embedding.
        queued: Seconds for which the place was waited for.
    """

    began: float
    size: ImageSize
    effort: Effort
    queued: float


class Generation:
    """What was found so far, and what of it is the result.

    The result of a crop is told when the crop is done, as later crops do not change it; or after each batch what may
    become part of it, and is withdrawn if it does not. With small regions to remove, duplicates that come of that are
    known at the very end only.
    """

    def __init__(self, tools: GenerationTools, asked: Asked, *, call: Call, start: Start) -> None:
        self._tools = tools
        self._query = asked.query
        self._spec = asked.spec
        self._since = asked.since
        self._call = call
        self._size = start.size
        self._clock = _Clock(start.began, start.queued)
        self._clock.embedded(start.effort)
        self._settled = Candidates.none()
        self._logits = KeptLogits(max_bytes=tools.logits_bytes)
        self._result: dict[CandidateId, Finished | None] = {}

    async def run(self, tell: Tell) -> None:
        """Look at all crops, and tell what there is to tell; see GenerateMasks."""
        outbox = Outbox(self._since, tell)
        size, settings = self._size, self._query.settings
        crops = smallest_first(crops_of(size, settings.crop_n_layers, settings.crop_overlap_ratio))
        progress = GenerationProgress(0, sum(settings.count(crop.layer) for crop in crops), 0)
        for crop in crops:
            progress = await self._look_at(View(crop, size, self._spec.input_size, settings), progress, outbox)
        if self._waits:
            await self._drop_duplicates(outbox)
        await outbox.end(GenerationSummary(len(self._result), size, self._spec.name, self._clock.timing()))

    async def _look_at(self, view: View, progress: GenerationProgress, outbox: Outbox) -> GenerationProgress:
        region = view.crop.region if view.crop.layer else None
        selection = CropSelection(view.settings, self._settled)
        async with self._tools.embed(self._query.image_id, self._spec, region, call=self._call) as embedded:
            self._clock.embedded(embedded.effort)
            crop = EmbeddedCrop(view, self._spec, embedded.embedding)
            async with aclosing(self._tools.grid(crop, self._since, call=self._call)) as batches:
                async for batch in batches:
                    progress = progress.after(batch.prompts, len(batch.screened.candidates))
                    await outbox.tell(progress)
                    selected = await self._take(batch, selection)
                    if self._query.delivery is Delivery.AS_FOUND:
                        await self._publish(crop, selected, outbox)
            selected = await self._compute(selection.settle())
            await self._publish(crop, selected, outbox)
        self._settled += selected.kept
        self._logits.clear()
        return progress

    async def _take(self, batch: Batch, selection: CropSelection) -> Selected:
        """Add what a batch has found; its logits are kept where they may be needed."""
        self._clock.decoded(batch)
        selected = await self._compute(selection.take(batch.screened.candidates))
        self._logits.forget(selected.replaced)
        await self._tools.offload(lambda: self._logits.keep(selected.kept.ids, batch.screened.logits))
        return selected

    async def _compute(self, steps: Steps[_T]) -> _T:
        began = perf_counter()
        result = await in_steps(self._tools.offload, steps)
        self._clock.postprocess += perf_counter() - began
        return result

    async def _publish(self, crop: EmbeddedCrop, selected: Selected, outbox: Outbox) -> None:
        """Change the result of a crop as was selected, and tell what changes."""
        for dropped, instead in selected.replaced.items():
            if dropped in self._result:
                del self._result[dropped]
                await outbox.tell(WithdrawnMask(dropped, instead))
        self._repeat(selected.kept, outbox)
        for part in _parts(selected.kept, crop.batch_size):
            for chosen in await self._chosen(crop, part):
                await self._finish(chosen, crop.view, outbox)

    def _repeat(self, kept: Candidates, outbox: Outbox) -> None:
        """Make masks part of the result that were told before the generation was interrupted."""
        for id_ in [id_ for id_ in kept.ids if id_ not in self._result]:
            if self._waits or not outbox.is_repeating:
                return
            outbox.repeat()
            self._result[id_] = None

    @property
    def _waits(self) -> bool:
        """Whether masks are needed until the end."""
        return self._query.settings.min_mask_region_area > 0

    async def _chosen(self, crop: EmbeddedCrop, part: Candidates) -> list[Chosen]:
        """Return those that are not part of the result yet, with their logits."""
        new = {id_: scores for id_, scores in part.scores() if id_ not in self._result}
        logits = self._logits.find(new)
        if missing := new.keys() - logits.keys():
            began = perf_counter()
            logits |= await self._tools.grid.again(crop, missing, call=self._call)
            self._clock.decode += perf_counter() - began
        return [Chosen(id_, *scores, logits[id_]) for id_, scores in new.items()]

    async def _finish(self, chosen: Chosen, view: View, outbox: Outbox) -> None:
        began = perf_counter()
        finished = await self._tools.finish(chosen, view, self._query.output)
        self._clock.postprocess += perf_counter() - began
        self._result[chosen.id] = finished if self._waits else None
        self._logits.forget([chosen.id])
        if self._query.delivery is Delivery.AS_FOUND or not self._waits:
            await outbox.tell(finished.found)

    async def _drop_duplicates(self, outbox: Outbox) -> None:
        """Drop what became duplicates when small regions were removed, and tell what was not told before."""
        finished = [one for id_ in self._settled.ids if (one := self._result[id_]) is not None]
        kept = await self._compute(_without_duplicates(finished, self._query.settings))
        for index in kept.kept.tolist() if self._query.delivery is Delivery.SETTLED else ():
            await outbox.tell(finished[index].found)
        for index in np.flatnonzero(kept.by >= 0).tolist():
            dropped = finished[index].found.id
            del self._result[dropped]
            if self._query.delivery is Delivery.AS_FOUND:
                await outbox.tell(WithdrawnMask(dropped, finished[kept.by[index]].found.id))


@dataclass(slots=True)
class _Clock:
    """Where the time goes, in seconds: as in Timing."""

    began: float
    queue: float
    tier: CacheTier | None = None
    encode: float = 0.0
    decode: float = 0.0
    postprocess: float = 0.0

    def embedded(self, effort: Effort) -> None:
        """Add what it took to get an embedding; the first one is the whole image's."""
        self.tier = self.tier or effort.tier
        self.queue += effort.queue
        self.encode += effort.encode

    def decoded(self, batch: Batch) -> None:
        """Add a batch."""
        self.decode += batch.decode
        self.postprocess += batch.screen

    def timing(self) -> Timing:
        """Return where it went so far."""
        total = perf_counter() - self.began
        return Timing(self.tier or CacheTier.MISS, self.queue, self.encode, self.decode, self.postprocess, total)


def _parts(candidates: Candidates, size: int) -> Iterator[Candidates]:
    for first in range(0, len(candidates), size):
        yield candidates[first : first + size]


def _without_duplicates(finished: list[Finished], settings: GenerationSettings) -> Steps[Suppression]:
    boxes = [inclusive(one.found.mask.box) for one in finished if one.found.mask.box]
    changed = [one.changed for one in finished]
    return without_duplicates(np.array(boxes, np.float32).reshape(-1, 4), np.array(changed, np.bool_), settings)
