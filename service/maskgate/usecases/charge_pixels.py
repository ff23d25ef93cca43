"""Count the pixels that are encoded for a tenant."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from maskgate.domain.errors import MaskgateError
from maskgate.domain.tenant import Quota

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.domain.tenant import Tenant
    from maskgate.ports import ImageStore
    from maskgate.usecases.charge_tenant import ChargeTenant

_MOST_OWED = 10_000


class ChargePixels:
    """Charges for an encode when it begins, and not again for one that came to nothing.

    Args:
        charge: Counts.
        store: Knows sizes; it is asked only where pixels count.
    """

    def __init__(self, charge: ChargeTenant, store: ImageStore) -> None:
        self._charge = charge
        self._store = store
        self._owed: OrderedDict[tuple[EmbeddingKey, str], None] = OrderedDict()

    @asynccontextmanager
    async def __call__(self, key: EmbeddingKey, tenant: Tenant) -> AsyncIterator[None]:
        """Count the pixels of an image, then run the block; where that fails, the next time is free.

        Raises:
            QuotaExceeded: The tenant has encoded too many pixels.
        """
        if not tenant.limits.pixels_per_minute:
            yield
            return
        if (key, tenant.name) in self._owed:
            del self._owed[key, tenant.name]
        else:
            await self._charge_for(key, tenant)
        try:
            yield
        except MaskgateError:
            self._owe(key, tenant)
            raise

    async def _charge_for(self, key: EmbeddingKey, tenant: Tenant) -> None:
        if info := await self._store.info(key.image_id):
            size = key.region.size if key.region else info.size
            await self._charge(tenant, Quota.PIXELS, size.width * size.height)

    def _owe(self, key: EmbeddingKey, tenant: Tenant) -> None:
        self._owed[key, tenant.name] = None
        if len(self._owed) > _MOST_OWED:
            self._owed.popitem(last=False)
