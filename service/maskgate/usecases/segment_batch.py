"""Find the masks of many prompts on many images."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.batch import Answer, BatchAnswer, ImageAnswer, Row, chunks, common_error, part_of
from maskgate.domain.call import Priority
from maskgate.domain.embedding import EmbeddingKey
from maskgate.domain.errors import MaskgateError
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Prompt
from maskgate.domain.stability import resolved
from maskgate.domain.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.batch import BatchQuery, ImagePrompts
    from maskgate.domain.call import Call
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.errors import InvalidRequest
    from maskgate.domain.mask import DecodedMasks
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.output import RenderedMask
    from maskgate.ports import InferenceBackend
    from maskgate.usecases.admission import Admission
    from maskgate.usecases.decode import Decode
    from maskgate.usecases.embed_image import EmbedImage
    from maskgate.usecases.keep_masks import KeepMasks
    from maskgate.usecases.lay_out_prompt import LayOutPrompt
    from maskgate.usecases.render_masks import RenderMasks


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Limits of batches.

    Attributes:
        prompts: Most prompts of a call, and most images.
        images: Images of a call that are worked on at once.
        images_of_all: Those of all calls: each holds its embedding until its last chunk is done.
    """

    prompts: int
    images: int
    images_of_all: int


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done to each prompt: the same as for a click."""

    embed: EmbedImage
    lay_out: LayOutPrompt
    decode: Decode
    render: RenderMasks
    keep: KeepMasks


class SegmentBatch:
    """Images beside each other, each: embed, lay out, decode so many at once, render.

    Prompts go to the decoder in chunks. A chunk has a permit of a tier of its own until its masks are rendered: so a
    batch takes no click's place, and the logits in memory are those of so many chunks.
    """

    def __init__(
        self,
        *,
        steps: Steps,
        backend: InferenceBackend,
        admission: Admission,
        limits: BatchLimits,
        default_model: str,
    ) -> None:
        self._steps = steps
        self._backend = backend
        self._admission = admission
        self._limits = limits
        self._places = asyncio.Semaphore(limits.images_of_all)
        self._default_model = default_model

    async def __call__(self, query: BatchQuery, *, call: Call) -> BatchAnswer:
        """Segment images; a prompt or an image that fails does not fail the others.

        Raises:
            InvalidRequest: There is no image, or there are too many images or prompts.
            ModelNotFound: There is no such model.
            MaskgateError: All images failed for one reason; then it is that of the first.
        """
        started = perf_counter()
        query.check_size(self._limits.prompts)
        spec = await self._backend.spec(query.model or self._default_model)
        work = _Work(self._steps, self._admission, query, spec, replace(call, priority=Priority.BULK))
        images = await self._each(work)
        if error := common_error(images):
            raise error
        timings = [image.timing for image in images if image.timing]
        return BatchAnswer(spec.name, images, Timing.of_all(timings, total=perf_counter() - started))

    async def _each(self, work: _Work) -> tuple[ImageAnswer, ...]:
        places = asyncio.Semaphore(self._limits.images)

        async def answer(image: ImagePrompts) -> ImageAnswer:
            async with places, self._places:
                return await work.answer(image)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(image)) for image in work.query.images]
        return tuple(task.result() for task in tasks)


@dataclass(frozen=True, slots=True)
class _Work:
    """A batch that is worked on."""

    steps: Steps
    admission: Admission
    query: BatchQuery
    spec: ModelSpec
    call: Call

    async def answer(self, image: ImagePrompts) -> ImageAnswer:
        """Answer an image, or say why it failed. What cannot be decoded in any case costs nothing."""
        prompts = [self._fitting(prompt) for prompt in image.prompts]
        if not isinstance(image.image_id, ImageId):
            return ImageAnswer(image.text, error=image.image_id)
        errors = tuple(prompt for prompt in prompts if not isinstance(prompt, Prompt))
        if len(errors) == len(prompts):
            return ImageAnswer(image.text, prompts=errors)
        try:
            return await self._segmented(image.image_id, prompts)
        except MaskgateError as error:
            return ImageAnswer(image.text, error=error)

    def _fitting(self, prompt: Prompt | InvalidRequest) -> Prompt | InvalidRequest:
        if not isinstance(prompt, Prompt):
            return prompt
        return part_of(prompt.check_fits, self.spec) or prompt

    async def _segmented(self, image_id: ImageId, prompts: Sequence[Prompt | InvalidRequest]) -> ImageAnswer:
        started = perf_counter()
        async with self.steps.embed(image_id, self.spec, call=self.call) as embedded:
            frame = Frame(embedded.embedding.original, self.spec.input_size)
            image = _Image(EmbeddingKey.of(image_id, self.spec), embedded.embedding, frame)
            rows = [await self._row(index, prompt, image) for index, prompt in enumerate(prompts)]
            answers: dict[int, Answer] = {i: row for i, row in enumerate(rows) if not isinstance(row, Row)}
            spent = _Spent(embedded.effort.queue)
            for chunk in chunks((row for row in rows if isinstance(row, Row)), self.spec.max_prompts):
                answers |= await self._chunk(chunk, image, spent)
        effort = embedded.effort
        total = perf_counter() - started
        timing = Timing(effort.tier, spent.queue, effort.encode, spent.decode, spent.postprocess, total)
        in_order = tuple(answers[index] for index in range(len(prompts)))
        return ImageAnswer(str(image_id), frame.original, in_order, timing=timing)

    async def _row(self, index: int, prompt: Prompt | InvalidRequest, image: _Image) -> Row | MaskgateError:
        if not isinstance(prompt, Prompt):
            return prompt
        try:
            slots = await self.steps.lay_out(prompt, image.key, image.frame, self.spec, call=self.call)
        except MaskgateError as error:
            return error
        return Row(index, slots, prompt.select(self.query.multimask))

    async def _chunk(self, chunk: Sequence[Row], image: _Image, spent: _Spent) -> dict[int, Answer]:
        async with self.admission.permit(self.call.tenant, deadline=self.call.deadline) as queued:
            started = perf_counter()
            decoded = await self.steps.decode.admitted(
                self.spec, image.embedding, [row.slots for row in chunk], chunk[0].selection, call=self.call
            )
            decoded_at = perf_counter()
            found = [await self._masks(decoded_row, image) for decoded_row in decoded]
            spent.add(queued, decoded_at - started, perf_counter() - decoded_at)
        return {row.index: masks for row, masks in zip(chunk, found, strict=True)}

    async def _masks(self, decoded: DecodedMasks, image: _Image) -> tuple[RenderedMask, ...]:
        """Render; masks of a batch are kept only where that is asked for."""
        chosen = resolved(decoded, self.query.multimask, image.frame)
        masks = await self.steps.render.admitted(chosen, image.frame, self.query.output)
        if not self.query.output.handles:
            return masks
        return await self.steps.keep(image.key, chosen, masks, call=self.call)


@dataclass(frozen=True, slots=True)
class _Image:
    """An image whose prompts are decoded: its embedding, held, and where it lies in the model's square."""

    key: EmbeddingKey
    embedding: HeldEmbedding
    frame: Frame


@dataclass(slots=True)
class _Spent:
    """Seconds of an image's chunks so far."""

    queue: float
    decode: float = 0.0
    postprocess: float = 0.0

    def add(self, queue: float, decode: float, postprocess: float) -> None:
        """Count a chunk."""
        self.queue += queue
        self.decode += decode
        self.postprocess += postprocess
