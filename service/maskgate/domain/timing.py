"""Where the time of a call went."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class CacheTier(enum.Enum):
    """Where an image embedding was found."""

    MISS = "miss"
    L1 = "l1"
    L2 = "l2"


@dataclass(frozen=True, slots=True)
class Timing:
    """One record for reply, header and metric alike, so that they never disagree. Seconds.

    Attributes:
        cache_tier: Where the embedding came from.
        queue: Waiting for a free place before the encoder and the decoder, or for another gateway to encode the image.
        encode: The call to the image encoder; 0 on a hit. Reading and scaling the file is in the total alone.
        decode: The mask decoder, with the prompt's way to it.
        postprocess: Scaling the masks up and writing them in the forms that were asked for.
        total: The call inside the gateway, from the parsed prompt to the finished masks.
    """

    cache_tier: CacheTier
    queue: float
    encode: float
    decode: float
    postprocess: float
    total: float

    @classmethod
    def of_all(cls, parts: Sequence[Timing], *, total: float) -> Timing | None:
        """Add up what parts of a call took, also where they ran beside each other; the tier is the farthest of theirs.

        None where there are no parts.
        """
        if not parts:
            return None
        return cls(
            cache_tier=max((part.cache_tier for part in parts), key=_NEAREST_FIRST.index),
            queue=sum(part.queue for part in parts),
            encode=sum(part.encode for part in parts),
            decode=sum(part.decode for part in parts),
            postprocess=sum(part.postprocess for part in parts),
            total=total,
        )


_NEAREST_FIRST = (CacheTier.L1, CacheTier.L2, CacheTier.MISS)
