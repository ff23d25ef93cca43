"""What went wrong."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: int = Field(description="The HTTP status.")
    status: str = Field(description="The canonical code, such as 'INVALID_ARGUMENT'.")
    reason: str = Field(description="Machine-readable; docs/errors.md lists them.")
    message: str = Field(description="A sentence for people.")
    metadata: dict[str, str] = Field(description="The variable parts of the message.")


class ErrorResponse(BaseModel):
    """Every error looks like this."""

    error: ErrorDetail
