"""A crowd that clicks at a steady rate, whatever becomes of its clicks: how long each took, and what failed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Self

import numpy as np

from maskgate.client import AsyncClient
from maskgate.domain.errors import MaskgateError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from maskgate.client import AsyncImage
    from maskgate.domain.image import ImageId

RATE = 50.0
"""Clicks a second."""


@dataclass
class Clicks:
    """What became of them.

    Attributes:
        seconds: Of each that was answered, from the moment that it was due: nobody is kept from clicking by a service
            that is slow.
        failed: How many were not, by why.
    """

    seconds: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def quantile(self, share: float) -> float:
        """Of the times, in seconds."""
        return float(np.quantile(self.seconds, share))

    async def add(self, image: AsyncImage, *, due: float) -> None:
        """Click, and take note."""
        try:
            await image.segment(points=[(60, 60)])
        except MaskgateError as error:
            self.failed[f"{error.reason}: {error.message}"] += 1
        else:
            self.seconds.append(time.monotonic() - due)


class Crowd:
    """Clicks in a thread of its own while the context is open, with the SDK, which tries again as it does for users."""

    def __init__(self, address: str, images: Sequence[ImageId], *, rate: float = RATE) -> None:
        self._address = address
        self._images = images
        self._rate = rate
        self._enough = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._click()), name="crowd")
        self.clicks = Clicks()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self._thread.join()

    async def _click(self) -> None:
        async with AsyncClient(self._address) as client, asyncio.TaskGroup() as under_way:
            images = [await client.image(each) for each in self._images]
            began = time.monotonic()
            for number in count():
                due = began + number / self._rate
                await asyncio.sleep(due - time.monotonic())
                if self._enough.is_set():
                    return
                under_way.create_task(self.clicks.add(images[number % len(images)], due=due))
