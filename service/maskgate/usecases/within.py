"""A bound in time that says so when it was passed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from maskgate.domain.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Surround what may take so long; it is cancelled then.

    Raises:
        DeadlineExceeded: It took longer.
    """
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            yield
    except TimeoutError as error:
        if not deadline.expired():  # somebody else's, that should have been translated
            raise
        raise DeadlineExceeded(f"The deadline of {seconds:.3g} s passed.", deadline_seconds=f"{seconds:.3g}") from error
