"""Count what a tenant uses, and refuse what is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.errors import QuotaExceeded

if TYPE_CHECKING:
    from maskgate.domain.tenant import Quota, Tenant
    from maskgate.ports import Quotas


class ChargeTenant:
    """Asks nobody about a tenant without that limit.

    Args:
        quotas: Counts, and never fails: where nobody can tell, each gateway counts for itself (adapters/quotas.py).
    """

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas

    async def __call__(self, tenant: Tenant, quota: Quota, amount: float) -> None:
        """Count an amount.

        Raises:
            QuotaExceeded: The tenant has used up its limit; says when to come again.
        """
        limit = tenant.limits.of(quota)
        if limit is None:
            return
        wait = await self._quotas.charge(tenant, quota, amount)
        if wait > 0:
            message = f"The limit of {limit:g} {quota.value.replace('_', ' ')} is used up."
            raise QuotaExceeded(message, retry_after=wait, quota=quota.value, limit=f"{limit:g}")
