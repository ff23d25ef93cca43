"""Count the pixels that are decoded for a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.tenant import Quota
from maskgate.usecases.owned_images import image_not_found

if TYPE_CHECKING:
    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.domain.tenant import Tenant
    from maskgate.ports import ImageStore
    from maskgate.usecases.charge_tenant import ChargeTenant


class ChargePixels:
    """Charges for a decoding just before it: once for each, whatever becomes of it and of the encode.

    Args:
        charge: Counts.
        store: Knows sizes; it is asked only where pixels count.
    """

    def __init__(self, charge: ChargeTenant, store: ImageStore) -> None:
        self._charge = charge
        self._store = store

    async def __call__(self, key: EmbeddingKey, tenant: Tenant) -> None:
        """Count the pixels of an image, or of the part of it that is meant.

        Raises:
            ImageNotFound: It is not kept, so nothing of it will be decoded.
            QuotaExceeded: The tenant has used too many pixels.
            StoreUnavailable: Nobody can tell its size.
        """
        if tenant.limits.of(Quota.PIXELS) is None:
            return
        info = await self._store.info(key.image_id)
        if info is None:
            raise image_not_found(key.image_id)
        size = key.region.size if key.region else info.size
        await self._charge(tenant, Quota.PIXELS, size.width * size.height)
