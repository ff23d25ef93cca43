"""Tell which of many images need not be uploaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.image import ImageId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.call import Call
    from maskgate.domain.image import ImageInfo
    from maskgate.usecases.owned_images import OwnedImages

_MOST_IMAGES = 1000


@dataclass(frozen=True, slots=True)
class CheckedImages:
    """Images that are kept and those that are not, both in the order in which they were asked for."""

    images: tuple[ImageInfo, ...]
    missing: tuple[ImageId, ...]


class CheckImages:
    """Look many images up at once."""

    def __init__(self, *, images: OwnedImages) -> None:
        self._images = images

    async def __call__(self, image_ids: Sequence[str], *, call: Call) -> CheckedImages:
        """Tell the caller's images from missing ones, by their identifiers as they were sent. The former live on.

        Raises:
            InvalidRequest: Too many are asked for.
            InvalidImageId: One of them is none.
            StoreUnavailable: Nobody can tell.
        """
        _refuse_too_many(len(image_ids))
        parsed = [ImageId.parse(image_id) for image_id in image_ids]
        infos = await self._images.infos(parsed, call=call)
        return CheckedImages(
            tuple(info for info in infos if info is not None),
            tuple(image_id for image_id, info in zip(parsed, infos, strict=True) if info is None),
        )


def _refuse_too_many(asked_for: int) -> None:
    if asked_for > _MOST_IMAGES:
        raise InvalidRequest(
            f"{asked_for} images are asked for; at most {_MOST_IMAGES} can be at once.",
            field="image_ids",
            limit=_MOST_IMAGES,
        )
