"""What went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from maskgate.transport.status import HTTP_STATUS

if TYPE_CHECKING:
    from maskgate.transport.status import Told


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: int = Field(description="The HTTP status.")
    status: str = Field(description="The canonical code, such as 'INVALID_ARGUMENT'.")
    reason: str = Field(description="Machine-readable; docs/errors.md lists them.")
    message: str = Field(description="A sentence for people.")
    metadata: dict[str, str] = Field(description="The variable parts of the message.")

    @classmethod
    def of(cls, told: Told) -> ErrorDetail:
        """Write what a client is told."""
        return cls(
            code=HTTP_STATUS[told.code],
            status=told.code.name,
            reason=told.reason,
            message=told.message,
            metadata=dict(told.metadata),
        )


class ErrorResponse(BaseModel):
    """Every error looks like this."""

    error: ErrorDetail
