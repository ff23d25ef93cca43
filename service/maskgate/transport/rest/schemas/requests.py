"""What all JSON bodies of requests have in common."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from maskgate.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from typing import Self


class Request(BaseModel):
    """Unknown fields are refused: a misspelt option must not pass in silence."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read a JSON body. Raises InvalidRequest."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "body"
            raise InvalidRequest(f"{where}: {first['msg']}.", field=where) from error


def bytes_of(text: str, field: str) -> bytes:
    """Read base64. Raises InvalidRequest."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not even ASCII
        raise InvalidRequest(f"{field} is not base64.", field=field) from error
