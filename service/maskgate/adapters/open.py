"""A gateway without keys: everybody may use every image. Nobody is asked, so a click waits for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from maskgate.domain.image import ImageId
    from maskgate.domain.tenant import Quota, Tenant


class OpenGrants:
    """See ImageGrants: everything is granted, and whoever takes an image away takes it from all."""

    async def grant(self, tenant: Tenant, image_id: ImageId, *, weight: int) -> Sequence[ImageId]:
        """See ImageGrants."""
        del tenant, image_id, weight
        return ()

    async def granted(self, tenant: Tenant, image_ids: Collection[ImageId]) -> frozenset[ImageId]:
        """See ImageGrants."""
        del tenant
        return frozenset(image_ids)

    async def revoke(self, tenant: Tenant, image_id: ImageId) -> bool:
        """See ImageGrants."""
        del tenant, image_id
        return False


class NoQuotas:
    """See Quotas: nothing is counted."""

    async def charge(self, tenant: Tenant, quota: Quota, amount: float) -> float:
        """See Quotas."""
        del tenant, quota, amount
        return 0.0
