"""What /readyz tells."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class ReadyResponse(BaseModel):
    """Whether calls can be answered, and on what that depends."""

    ready: bool
    components: dict[str, Literal["up", "down"]]
