"""What both skins call; bootstrap fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskgate.usecases.describe_models import GetModel, ListModels
    from maskgate.usecases.get_image import GetImage
    from maskgate.usecases.segment import Segment
    from maskgate.usecases.upload_image import UploadImage


@dataclass(frozen=True, slots=True)
class UseCases:
    """The use cases."""

    upload_image: UploadImage
    get_image: GetImage
    segment: Segment
    list_models: ListModels
    get_model: GetModel
