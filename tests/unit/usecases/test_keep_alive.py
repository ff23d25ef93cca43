"""An image in use stays in the store."""

from __future__ import annotations

from maskgate.domain.image import ImageId
from maskgate.usecases.keep_alive import KeepAlive
from tests.fakes import FailingStore, FakeStore

ONE, OTHER = ImageId.of(b"one"), ImageId.of(b"other")


class CountingStore(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[ImageId] = []

    async def info(self, image_id: ImageId) -> None:
        self.asked.append(image_id)


async def test_the_store_is_asked_now_and_then() -> None:
    """Many clicks on an image are one question to the store, until it is due again."""
    store = CountingStore()
    rarely, always = KeepAlive(store, every=60), KeepAlive(store, every=0)
    for _ in range(3):
        await rarely(ONE)
    await rarely(OTHER)
    for _ in range(2):
        await always(ONE)

    assert [ONE, OTHER, ONE, ONE] == store.asked


async def test_a_store_that_is_away_is_no_matter() -> None:
    """A click never fails because the image could not be kept alive."""
    keep_alive = KeepAlive(FailingStore())

    assert await keep_alive(ONE) is None
