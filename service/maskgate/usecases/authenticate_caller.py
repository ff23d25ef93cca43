"""Tell who calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.api_key import ApiKey
from maskgate.domain.errors import Unauthenticated
from maskgate.domain.tenant import EVERYBODY

if TYPE_CHECKING:
    from maskgate.domain.tenant import Tenant
    from maskgate.ports import ApiKeys


class AuthenticateCaller:
    """Without keys everybody is one tenant."""

    def __init__(self, keys: ApiKeys | None) -> None:
        self._keys = keys

    def __call__(self, key: str | None) -> Tenant:
        """Return whose key it is that a call came with.

        Raises:
            Unauthenticated: There is none, or it is nobody's.
        """
        if self._keys is None:
            return EVERYBODY
        if key is None:
            raise Unauthenticated("An API key is missing: send it as 'Authorization: Bearer mg_…'.")
        parsed = ApiKey.parse(key)
        tenant = None if parsed is None else self._keys.tenant_of(parsed)
        if tenant is None:
            raise Unauthenticated("The API key is not valid.")
        return tenant
