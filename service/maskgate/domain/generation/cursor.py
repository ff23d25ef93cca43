"""Where an interrupted generation goes on.

What is told, and in which order, follows from the request and the model alone. So a cursor says how many events were
told, of which request: nothing has to be kept for it, and any gateway can go on.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maskgate.domain.errors import InvalidCursor

if TYPE_CHECKING:
    from maskgate.domain.generation.query import GenerationQuery
    from maskgate.domain.model import ModelSpec

_FORM = re.compile(r"v2\.([0-9a-f]{16})\.([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a generation.

    Attributes:
        request: Tells requests and models apart whose events differ.
        told: How many events were told.
    """

    request: str
    told: int = 0

    @classmethod
    def start(cls, query: GenerationQuery, spec: ModelSpec, batch_size: int, *, tenant: str) -> Cursor:
        """Return the beginning of a tenant's generation; the forms of its masks do not matter."""
        model = (spec.name, spec.weights_digest, spec.precision, spec.preprocessing)
        said = repr((tenant, str(query.image_id), model, query.settings, query.delivery, batch_size))
        return cls(hashlib.sha256(said.encode()).hexdigest()[:16])

    def at(self, text: str) -> Cursor:
        """Read the place that a client wants to go on from; none means the beginning.

        Raises:
            InvalidCursor: It is no cursor, or one of another request.
        """
        if not text:
            return self
        found = _FORM.fullmatch(text)
        if found is None or found[1] != self.request:
            raise InvalidCursor("The cursor is not one of this request; send the very request again.", cursor=text)
        return replace(self, told=int(found[2]))

    def __str__(self) -> str:
        return f"v2.{self.request}.{self.told}"
