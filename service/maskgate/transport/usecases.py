"""What both skins call; bootstrap fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskgate.transport.generations import Generations
    from maskgate.usecases.authenticate_caller import AuthenticateCaller
    from maskgate.usecases.charge_tenant import ChargeTenant
    from maskgate.usecases.check_images import CheckImages
    from maskgate.usecases.delete_image import DeleteImage
    from maskgate.usecases.describe_models import GetModel, ListModels
    from maskgate.usecases.encode_images import EncodeImages
    from maskgate.usecases.get_embedding import GetEmbedding
    from maskgate.usecases.get_image import GetImage
    from maskgate.usecases.segment import Segment
    from maskgate.usecases.segment_batch import SegmentBatch
    from maskgate.usecases.segment_stream import SegmentStream
    from maskgate.usecases.upload_image import UploadImage


@dataclass(frozen=True, slots=True)
class UseCases:
    """The use cases."""

    authenticate_caller: AuthenticateCaller
    charge_tenant: ChargeTenant
    upload_image: UploadImage
    get_image: GetImage
    segment: Segment
    segment_batch: SegmentBatch
    check_images: CheckImages
    encode_images: EncodeImages
    get_embedding: GetEmbedding
    delete_image: DeleteImage
    generate_masks: Generations
    list_models: ListModels
    get_model: GetModel
    segment_stream: SegmentStream
