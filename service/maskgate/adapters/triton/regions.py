"""Shared memory as Triton knows it: registered when first needed, and again when Triton has forgotten.

Triton maps a region that is registered, by name, and reads tensors from it that a request only names
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_shared_memory.md).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import structlog
from tritonclient.utils import InferenceServerException

from maskgate.adapters.triton.failures import is_away
from maskgate.adapters.triton.watching import Registration
from maskgate.adapters.triton.wire import Shared
from maskgate.domain.errors import InferenceFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonclient.grpc.aio import InferenceServerClient

    from maskgate.adapters.triton.watching import Watcher
    from maskgate.domain.embedding import HeldEmbedding, Place

_log = structlog.get_logger(__name__)

_PAUSES = {Registration.DONE: 0.0, Registration.AWAY: 1.0, Registration.REFUSED: 60.0}
"""Seconds for which Triton is not asked again; one that refuses is on another host, and stays there."""
_ALREADY = "already in manager"


@dataclass(frozen=True, slots=True)
class Region:
    """Memory of ours that embeddings lie in.

    Attributes:
        name: What requests call it; never used for another one.
        key: What shm_open(3) calls it.
        size: Bytes.
        zeros: Offset and number of bytes that are always zero.
        is_current: Whether a place still holds the embedding that it was given for.
        is_dead: Whether a region of that name was a gateway's that is gone.
    """

    name: str
    key: str
    size: int
    zeros: tuple[int, int]
    is_current: Callable[[Place], bool]
    is_dead: Callable[[str], bool]


class RegisteredRegion:
    """A region and whether Triton knows it."""

    def __init__(self, region: Region, *, client: InferenceServerClient, timeout: float, watcher: Watcher) -> None:
        self._region = region
        self._client = client
        self._timeout = timeout
        self._watcher = watcher
        self._registration: int | None = None
        self._registrations = 0
        self._ask_again = 0.0
        self._asking = asyncio.Lock()

    @property
    def is_mapped(self) -> bool:
        """Say whether Triton knew the region when it was last asked."""
        return self._registration is not None

    async def registration(self) -> int | None:
        """Return the number of the registration by which requests may name the region; none: they may not.

        It is registered if need be, once for all who ask. Never raises.
        """
        if not self._may_ask():
            return self._registration
        async with self._asking:
            if self._may_ask():  # the one before may have asked meanwhile
                await self._make_known()
        return self._registration

    def lost(self, registration: int) -> None:
        """Note that Triton does not know the region by a registration any more: it has been restarted.

        Of several calls that hear so, all but the first may mean one that has been replaced meanwhile.
        """
        if registration == self._registration:
            self._registration = None

    def refused(self) -> None:
        """Note that it is no use: what was just registered is lost again, as with several Tritons behind an address."""
        self._note(Registration.REFUSED)

    async def close(self) -> None:
        """Have Triton unmap the region, if it can be told."""
        if self.is_mapped:
            self._registration = None
            with contextlib.suppress(InferenceServerException):  # then the next gateway tells it
                await self._client.unregister_system_shared_memory(self._region.name, client_timeout=self._timeout)

    def embedding(self, held: HeldEmbedding) -> Shared:
        """Name a held embedding. Raises InferenceFailed, as `check` does."""
        place = self.check(held)
        return Shared(place.region, place.offset, len(held.tensor))

    def check(self, held: HeldEmbedding) -> Place:
        """Make sure that a place still holds this embedding and no other one.

        It does, as it is held. Were it not, masks of another image would be answered: so nothing is, rather.

        Raises:
            InferenceFailed: It does not.
        """
        if held.place is None or not self._region.is_current(held.place):
            self._watcher.stale()
            raise InferenceFailed("The embedding was replaced while it was used.")
        return held.place

    def zeros(self, length: int) -> Shared | bytes:
        """Name so many bytes that are zero, or return them where there are not so many."""
        offset, size = self._region.zeros
        return Shared(self._region.name, offset, length) if length <= size else bytes(length)

    def _may_ask(self) -> bool:
        return not self.is_mapped and monotonic() >= self._ask_again

    async def _make_known(self) -> None:
        result = await self._register()
        self._note(result)
        if result is Registration.DONE:
            with contextlib.suppress(InferenceServerException):  # they are looked for again next time
                await self._unregister_dead()

    async def _register(self) -> Registration:
        region = self._region
        try:
            await self._client.register_system_shared_memory(
                region.name, region.key, region.size, client_timeout=self._timeout
            )
        except InferenceServerException as error:
            if _ALREADY in (error.message() or ""):  # an attempt that was cancelled got through
                return Registration.DONE
            if is_away(error):
                return Registration.AWAY
            _log.warning("shared_memory.refused", error=error.message())
            return Registration.REFUSED
        return Registration.DONE

    def _note(self, result: Registration) -> None:
        self._registrations += 1
        self._registration = self._registrations if result is Registration.DONE else None
        self._ask_again = monotonic() + _PAUSES[result]
        self._watcher.registered(result)

    async def _unregister_dead(self) -> None:
        """Have Triton unmap what gateways have left that were killed: until then it holds on to their memory.

        This Triton has just mapped a file of ours, so it sees the files that we see: a region whose file is gone is
        nobody's.
        """
        status = await self._client.get_system_shared_memory_status(client_timeout=self._timeout)
        for name in filter(self._region.is_dead, list(status.regions)):
            await self._client.unregister_system_shared_memory(name, client_timeout=self._timeout)
            _log.info("shared_memory.swept", region=name)
