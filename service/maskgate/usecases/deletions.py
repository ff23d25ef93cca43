"""Images that are deleted while something is being made of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from maskgate.usecases.owned_images import image_not_found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.domain.image import ImageId


class Watch:
    """An eye on one image, while something is being made of it."""

    def __init__(self, image_id: ImageId) -> None:
        self.image_id = image_id
        self.deleted = False

    def check(self) -> None:
        """Raise ImageNotFound where the image was deleted since the watch began."""
        if self.deleted:
            raise image_not_found(self.image_id)


class Watches:
    """Those who are making something, so that they can be told. What was deleted before a watch begins is not seen."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()

    @contextmanager
    def on(self, image_id: ImageId) -> Iterator[Watch]:
        """Watch an image while the block runs."""
        watch = Watch(image_id)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def deleted(self, image_id: ImageId) -> None:
        """Tell those who watch an image that it was deleted."""
        for watch in self._watches:
            watch.deleted = watch.deleted or watch.image_id == image_id
