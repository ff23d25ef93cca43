"""Caches of embeddings in simulations: what is kept, and what goes when there is no room."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from maskgate.domain.eviction import S3Fifo

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shelf(Protocol):
    """Remembers numbers of images, as many as it has places."""

    def find(self, image: int) -> bool:
        """Say whether an image is there, and count it as used."""
        ...

    def put(self, image: int) -> None:
        """Remember an image that is not there; another one goes if need be."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class Lru:
    """Forgets what was not used for longest."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._images: OrderedDict[int, None] = OrderedDict()

    def find(self, image: int) -> bool:
        """See Shelf."""
        there = image in self._images
        if there:
            self._images.move_to_end(image)
        return there

    def put(self, image: int) -> None:
        """See Shelf."""
        self._images[image] = None
        while len(self._images) > self._places:
            self._images.popitem(last=False)

    def clear(self) -> None:
        """See Shelf."""
        self._images.clear()


class OwnOrder:
    """Forgets by the gateway's own rule, in the gateway's own code."""

    def __init__(self, places: int) -> None:
        self._places = places
        self.clear()

    def find(self, image: int) -> bool:
        """See Shelf."""
        there = image in self._images
        if there:
            self._order.use(image)
        return there

    def put(self, image: int) -> None:
        """See Shelf."""
        if len(self._images) >= self._places:
            gone = self._order.evict(spare=lambda _: False)
            self._images.discard(-1 if gone is None else gone)
        self._order.add(image)
        self._images.add(image)

    def clear(self) -> None:
        """See Shelf."""
        self._order: S3Fifo[int] = S3Fifo()
        self._images: set[int] = set()


def look(image: int, shelves: Sequence[Shelf]) -> int:
    """Look an image up, shelf after shelf, and put it on those where it was not; return where it was.

    Returns:
        The number of the shelf, or how many there are if it was on none.
    """
    for number, shelf in enumerate(shelves):
        if shelf.find(image):
            found = number
            break
    else:
        found = len(shelves)
    for shelf in shelves[:found]:
        shelf.put(image)
    return found
