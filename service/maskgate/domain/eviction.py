"""What to forget when there is no room: S3-FIFO.

Three queues: what is new enters a small one, what is used again there goes on to the main one, and what leaves the
small one unused is remembered by name only, so that it enters the main one should it come back. A batch job that sees
each image once passes through the small queue, and leaves to annotators the images that they click on; with plain
LRU it would push them out. The rules and their numbers are those of Yang et al., "FIFO queues are all you need for
cache eviction", SOSP 2023, algorithm 1.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

_K = TypeVar("_K", bound="Hashable")

_SMALL_SHARE = 10
"""The small queue is a tenth of all."""
_MOST_USES = 3
"""Uses are counted up to this: two bits a key."""
_USED_AGAIN = 1
"""More uses than this in the small queue lead to the main one."""


class S3Fifo(Generic[_K]):
    """The order in which keys are forgotten; it knows no values.

    What is there when one is to be evicted is all that there is room for, so the room may grow and shrink.
    """

    def __init__(self) -> None:
        self._small: OrderedDict[_K, int] = OrderedDict()  # uses by key, the next to go first
        self._main: OrderedDict[_K, int] = OrderedDict()
        self._ghosts: OrderedDict[_K, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def __iter__(self) -> Iterator[_K]:
        yield from self._small
        yield from self._main

    def add(self, key: _K) -> None:
        """Let a key that is not there come in."""
        queue = self._main if key in self._ghosts else self._small
        self._ghosts.pop(key, None)
        queue[key] = 0

    def use(self, key: _K) -> None:
        """Count a use of a key that is there."""
        queue = self._small if key in self._small else self._main
        queue[key] = min(queue[key] + 1, _MOST_USES)

    def discard(self, key: _K) -> None:
        """Let a key go that need not be there, and forget that it ever was."""
        for queue in (self._small, self._main, self._ghosts):
            queue.pop(key, None)

    def evict(self, *, spare: Callable[[_K], bool]) -> _K | None:
        """Choose a key that need not be spared, and let it go; None where all must be."""
        turns = [self._evict_main, self._evict_small, self._evict_main]  # the small queue may have moved some to main
        if len(self._small) * _SMALL_SHARE >= len(self):
            turns.insert(0, self._evict_small)
        return next((key for evict in turns if (key := evict(spare)) is not None), None)

    def _evict_small(self, spare: Callable[[_K], bool]) -> _K | None:
        for key in [key for key in self._small if not spare(key)]:
            uses = self._small.pop(key)
            if uses <= _USED_AGAIN:
                self._remember(key)
                return key
            self._main[key] = 0
        return None

    def _evict_main(self, spare: Callable[[_K], bool]) -> _K | None:
        while mortal := [key for key in self._main if not spare(key)]:
            for key in mortal:
                uses = self._main.pop(key)
                if uses == 0:
                    return key
                self._main[key] = uses - 1
        return None

    def _remember(self, key: _K) -> None:
        self._ghosts[key] = None
        while len(self._ghosts) > max(1, len(self)):
            self._ghosts.popitem(last=False)
