"""Find everything in an image: prompt it with a grid of points, and keep what is good and no duplicate."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.call import Priority
from maskgate.domain.generation.cursor import Cursor
from maskgate.usecases.decode_grid import batch_size
from maskgate.usecases.generation import Asked, Generation, Start
from maskgate.usecases.streamed import streamed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from maskgate.domain.call import Call
    from maskgate.domain.generation.events import Told
    from maskgate.domain.generation.query import GenerationQuery
    from maskgate.ports import InferenceBackend
    from maskgate.usecases.admission import Admission
    from maskgate.usecases.generation import GenerationTools, Tell
    from maskgate.usecases.streamed import Room


class GenerateMasks:
    """So many generations at once, each with so many points."""

    def __init__(
        self,
        tools: GenerationTools,
        *,
        backend: InferenceBackend,
        admission: Admission,
        room: Room,
        most_prompts: int,
        default_model: str,
    ) -> None:
        self._tools = tools
        self._backend = backend
        self._admission = admission
        self._room = room
        self._most_prompts = most_prompts
        self._default_model = default_model

    async def __call__(self, query: GenerationQuery, *, call: Call) -> AsyncGenerator[Told, None]:
        """Tell what is found when it is; the summary comes last. To be closed by who iterates: that ends the work.

        Raises:
            InvalidRequest: There are too many points.
            InvalidCursor: The cursor is not one of this request.
            ModelNotFound: There is no such model.
            ImageNotFound: The image is not kept.
            Overloaded: There is no place, or nothing was read for too long.
            StoreUnavailable, BackendUnavailable, DeadlineExceeded, InferenceFailed: As the ports say.
        """
        query.settings.check_prompts(self._most_prompts)
        spec = await self._backend.spec(query.model or self._default_model)
        since = Cursor.start(query, spec, batch_size(query.settings, spec), tenant=call.tenant.name).at(query.cursor)
        asked = Asked(query, spec, since)
        generate = partial(self._generate, asked, replace(call, priority=Priority.BULK))
        async with aclosing(streamed(generate, room=self._room)) as events:
            async for event in events:
                yield event

    async def _generate(self, asked: Asked, call: Call, tell: Tell) -> None:
        """Work in a place of the tier, and give it back when that ends: a reader that hangs keeps none.

        Nor does who waits for an encoder to start: others' images may have been encoded before.
        """
        began = perf_counter()
        async with self._tools.embed(asked.query.image_id, asked.spec, call=call) as embedded:
            size, effort = embedded.embedding.original, embedded.effort
        async with self._admission.permit(call.tenant, deadline=call.deadline) as queued:
            start = Start(began, size, effort, queued)
            await Generation(self._tools, asked, call=call, start=start).run(tell)
