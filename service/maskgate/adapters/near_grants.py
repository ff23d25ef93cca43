"""A near copy of who may use which image, so that a click does not ask Redis, and losing Redis stops nobody at work."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from maskgate.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from maskgate.domain.image import ImageId
    from maskgate.domain.tenant import Tenant
    from maskgate.ports import ImageGrants

_log = structlog.get_logger(__name__)
_BELIEVED_SECONDS = 30.0
_MOST = 65536  # of some 300 bytes each


@dataclass(frozen=True, slots=True)
class _Known:
    """A grant; `owed` is its weight where the shared grants have not been told of it yet."""

    at: float
    owed: int | None = None


class NearGrants:
    """Believes what is granted for a while; what is refused is asked for each time.

    A grant says that a tenant has shown an image's bytes, which stays true. So while the shared grants are away, what
    is known here is believed for longer: at worst a tenant uses for that time what it has itself deleted elsewhere.
    What is not known here is then unknown, not refused: StoreUnavailable. Grants of that time are told of afterwards.
    """

    def __init__(
        self,
        shared: ImageGrants,
        *,
        believed_seconds: float = _BELIEVED_SECONDS,
        most: int = _MOST,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._shared = shared
        self._seconds = believed_seconds
        self._most = most
        self._clock = clock
        self._known: OrderedDict[tuple[str, ImageId], _Known] = OrderedDict()
        self._gone: deque[ImageId] = deque(maxlen=most)
        self._revoked = 0  # what was asked before the last one may have been answered before it: not to be believed

    async def grant(self, tenant: Tenant, image_id: ImageId, *, weight: int) -> Sequence[ImageId]:
        """See ImageGrants; never raises."""
        revoked = self._revoked
        try:
            await self._share(tenant, image_id, weight)
        except StoreUnavailable as error:
            _log.warning("grant.known_here_only", error=str(error))
            self._know(tenant, image_id, owed=weight)
        else:
            if revoked == self._revoked:
                self._know(tenant, image_id)
        gone, self._gone = [*self._gone], deque(maxlen=self._most)
        return gone

    async def granted(self, tenant: Tenant, image_ids: Collection[ImageId]) -> frozenset[ImageId]:
        """See ImageGrants."""
        doubtful = [image_id for image_id in image_ids if not self._is_fresh(tenant, image_id)]
        if not doubtful:
            return frozenset(image_ids)
        return frozenset(image_ids).difference(doubtful) | await self._ask(tenant, doubtful)

    async def revoke(self, tenant: Tenant, image_id: ImageId) -> bool:
        """See ImageGrants. Here it is gone also where the shared grants cannot be told."""
        try:
            return await self._shared.revoke(tenant, image_id)
        finally:
            self._revoked += 1
            self._known.pop((tenant.name, image_id), None)

    async def _ask(self, tenant: Tenant, image_ids: list[ImageId]) -> frozenset[ImageId]:
        revoked = self._revoked
        try:
            await self._tell(tenant, image_ids)
            granted = await self._shared.granted(tenant, image_ids)
        except StoreUnavailable:
            if all((tenant.name, image_id) in self._known for image_id in image_ids):
                return frozenset(image_ids)
            raise
        if revoked == self._revoked:
            self._learn(tenant, image_ids, granted)
        return granted

    def _learn(self, tenant: Tenant, image_ids: list[ImageId], granted: frozenset[ImageId]) -> None:
        for image_id in image_ids:
            if image_id in granted:
                self._know(tenant, image_id)
            else:
                self._known.pop((tenant.name, image_id), None)

    async def _tell(self, tenant: Tenant, image_ids: list[ImageId]) -> None:
        for image_id in image_ids:
            known = self._known.get((tenant.name, image_id))
            if known and known.owed is not None:
                await self._share(tenant, image_id, known.owed)

    async def _share(self, tenant: Tenant, image_id: ImageId, weight: int) -> None:
        """Tell of a grant. What goes for it is told to whoever grants next: who asks for an image cannot be told."""
        for gone in await self._shared.grant(tenant, image_id, weight=weight):
            self._known.pop((tenant.name, gone), None)
            self._gone.append(gone)

    def _is_fresh(self, tenant: Tenant, image_id: ImageId) -> bool:
        known = self._known.get((tenant.name, image_id))
        return known is not None and self._clock() < known.at + self._seconds

    def _know(self, tenant: Tenant, image_id: ImageId, *, owed: int | None = None) -> None:
        key = (tenant.name, image_id)
        self._known[key] = _Known(self._clock(), owed)
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
