"""Where the time of a call went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from maskgate.domain.timing import Timing as DomainTiming


class Timing(BaseModel):
    """Where the time of a call went, in milliseconds on the server's clock."""

    cache_tier: Literal["miss", "l1", "l2"] = Field(description="Where the embedding came from.")
    queue_ms: float = Field(description="Waiting for a free place before encoder and decoder.")
    encode_ms: float = Field(description="The call to the image encoder; 0 where the embedding was cached.")
    decode_ms: float = Field(description="The mask decoder.")
    postprocess_ms: float = Field(description="Scaling masks up and writing them in the forms that were asked for.")
    total_ms: float = Field(description="The call inside the gateway, from the parsed prompt to the masks.")

    @classmethod
    def of(cls, timing: DomainTiming) -> Timing:
        """Write a timing."""
        return cls(
            cache_tier=timing.cache_tier.value,
            queue_ms=timing.queue * 1e3,
            encode_ms=timing.encode * 1e3,
            decode_ms=timing.decode * 1e3,
            postprocess_ms=timing.postprocess * 1e3,
            total_ms=timing.total * 1e3,
        )
