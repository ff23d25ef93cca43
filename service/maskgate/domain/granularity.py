"""What an ambiguous prompt may have meant: the whole of a thing, a part of it, or a part of that."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Granularity(enum.Enum):
    """How much of a thing a mask is, beside the other readings of the same prompt."""

    WHOLE = "whole"
    PART = "part"
    SUBPART = "subpart"


def granularities(areas: Sequence[int]) -> tuple[Granularity | None, ...]:
    """Name the readings of one prompt by their areas: the largest is the whole, the smallest the subpart.

    SAM's paper calls its three outputs "whole, part, and subpart" (section 3, "Resolving ambiguity"), but training ties
    none of the tokens to one of them, so size decides. An empty mask is nothing, and of two masks that are left the
    smaller one is a part; of equal ones the first is the larger.
    """
    order = sorted((index for index, area in enumerate(areas) if area), key=lambda index: -areas[index])
    names = dict.fromkeys(order[1:], Granularity.PART)
    if order:
        names[order[0]] = Granularity.WHOLE
    if len(order) > 2:  # noqa: PLR2004 - a whole, a part, and what is left
        names[order[-1]] = Granularity.SUBPART
    return tuple(names.get(index) for index in range(len(areas)))
