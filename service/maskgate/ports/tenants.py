"""Who calls, what is theirs, and how much they have used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from maskgate.domain.api_key import ApiKey
    from maskgate.domain.image import ImageId
    from maskgate.domain.tenant import Quota, Tenant


class ApiKeys(Protocol):
    """Knows the keys of tenants."""

    def tenant_of(self, key: ApiKey) -> Tenant | None:
        """Return whose key it is, None where it is nobody's. Cheap: asked on every call."""
        ...


class ImageGrants(Protocol):
    """Remembers which tenant may use which image: one whose bytes it has uploaded. Forgets what is not asked for.

    Every method raises StoreUnavailable where nobody can tell.
    """

    async def grant(self, tenant: Tenant, image_id: ImageId, *, weight: int) -> Sequence[ImageId]:
        """Let a tenant use an image that weighs so many bytes, and return those that go for it.

        Where the tenant's images then weigh more than its `cache_bytes`, those go that it has not used for longest, but
        never the one that is granted. Whoever is told of them sees to it that they are forgotten.
        """
        ...

    async def granted(self, tenant: Tenant, image_ids: Collection[ImageId]) -> frozenset[ImageId]:
        """Return those that the tenant may use, which counts as use."""
        ...

    async def revoke(self, tenant: Tenant, image_id: ImageId) -> bool:
        """Take an image away from a tenant; returns whether another one may still use it."""
        ...


class Quotas(Protocol):
    """Counts what tenants use. Raises CacheUnavailable where nobody can tell."""

    async def charge(self, tenant: Tenant, quota: Quota, amount: float) -> float:
        """Count an amount against a tenant's limit and return 0, or the seconds until it may be counted.

        A tenant without that limit is never told to wait. What is not used is saved up for the quota's time at most. An
        amount above the limit counts once all of that is saved, and is made up for by longer waits afterwards.
        """
        ...
