"""How a prompt's embedding reaches a Triton: by name where it lies in memory that both map, in the request elsewhere.

docs/adr/0012-embeddings-in-shared-memory.md
"""

from __future__ import annotations

import math
from collections import defaultdict
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.adapters.triton.failures import is_region_lost
from maskgate.adapters.triton.watching import Way
from maskgate.adapters.triton.wire import Terms
from maskgate.domain.errors import BackendUnavailable

if TYPE_CHECKING:
    from maskgate.adapters.triton.endpoints import Endpoint
    from maskgate.adapters.triton.prompts import Asked
    from maskgate.adapters.triton.regions import RegisteredRegion
    from maskgate.adapters.triton.watching import Watcher
    from maskgate.adapters.triton.wire import Reply
    from maskgate.domain.call import Call
    from maskgate.domain.model import ModelSpec

_TRIES_SHARED = 2
"""A region that is lost again when it has just been registered is not worth a third attempt."""
_FORGETTING = 1.01
"""The least time that calls take is believed a hundredth less with each call that takes longer."""


class Pace:
    """The least that calls of late have taken: what one takes, in seconds, when nothing is before it in the queue."""

    def __init__(self) -> None:
        self._least = math.inf

    @property
    def least(self) -> float:
        """Return it; 0 before the first call."""
        return self._least if math.isfinite(self._least) else 0.0

    def took(self, seconds: float) -> None:
        """Note what a call took."""
        self._least = min(seconds, self._least * _FORGETTING)


class Delivery:
    """Sends prompts to the decoder of an endpoint."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._paces: defaultdict[tuple[str, str], Pace] = defaultdict(Pace)

    async def __call__(self, endpoint: Endpoint[ModelSpec], asked: Asked, call: Call) -> Reply:
        """Return Triton's answer. Raises MaskgateError."""
        if endpoint.shared is not None and asked.embedding.place is not None:
            reply = await self._shared(endpoint, endpoint.shared, asked, call)
            if reply is not None:
                return reply
        await endpoint.agree(asked.spec)
        request = asked.request(asked.embedding.tensor, bytes, self._terms(asked, call))
        self._watcher.sent(asked.stage, Way.INLINE, len(request))
        return await self._send(endpoint, asked, request, call)

    async def _shared(
        self, endpoint: Endpoint[ModelSpec], shared: RegisteredRegion, asked: Asked, call: Call
    ) -> Reply | None:
        for _ in range(_TRIES_SHARED):
            await endpoint.agree(asked.spec)
            registration = await shared.registration()
            if registration is None:
                return None
            request = asked.request(shared.embedding(asked.embedding), shared.zeros, self._terms(asked, call))
            self._watcher.sent(asked.stage, Way.SHARED, len(request))
            try:
                reply = await self._send(endpoint, asked, request, call)
            except BackendUnavailable as error:
                if not is_region_lost(error):
                    raise
                shared.lost(registration)
            else:
                shared.check(asked.embedding)
                return reply
        shared.refused()
        return None

    def _terms(self, asked: Asked, call: Call) -> Terms:
        """Let a request queue as long as its answer can still be computed in time."""
        return Terms(call.priority, call.deadline.remaining() - self._pace(asked).least)

    async def _send(self, endpoint: Endpoint[ModelSpec], asked: Asked, request: bytes, call: Call) -> Reply:
        started = perf_counter()
        reply = await endpoint.infer(asked.spec.name, request, deadline=call.deadline)
        self._pace(asked).took(perf_counter() - started)
        return reply

    def _pace(self, asked: Asked) -> Pace:
        return self._paces[asked.spec.name, asked.stage]
