"""Keys by which tenants are told apart. A gateway knows their hashes alone."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from maskgate.domain.tenant import Tenant

_KEY = re.compile(r"mg_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`mg_<id>_<secret>`.

    Attributes:
        id: Eight letters and digits, by which it is found; no secret.
        secret: 256 random bits, base64url. So many need no slow hash: there is nothing to guess from.
    """

    id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Make one that nobody has."""
        return cls(secrets.token_hex(4), secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a key; None where it is none."""
        match = _KEY.fullmatch(text)
        return match and cls(*match.groups())

    def __str__(self) -> str:
        return f"mg_{self.id}_{self.secret}"

    @property
    def digest(self) -> str:
        """SHA-256 of the secret, in hexadecimal digits."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What a gateway knows of a key.

    Attributes:
        id: The key's.
        digest: SHA-256 of its secret, in hexadecimal digits.
        tenant: Whose it is, with the limits of this key.
    """

    id: str
    digest: str
    tenant: Tenant

    def is_opened_by(self, key: ApiKey) -> bool:
        """Compare, in a time that does not tell how much of it was right."""
        return hmac.compare_digest(self.digest, key.digest)
