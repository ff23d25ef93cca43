"""maskgate from Python: `Client().image("photo.jpg").segment(points=[(x, y)])`.

What is listed here is the public face; all else in this package may change.
"""

from maskgate.client._access import KeyInTheClearError, Tls
from maskgate.client._asking import Asked, Pointing, Wishes
from maskgate.client._async import AsyncClient
from maskgate.client._everything import Progress, Searching, Thing
from maskgate.client._image import AsyncImage, AsyncResult
from maskgate.client._models import Model
from maskgate.client._stream import AsyncStream, StreamAnswer
from maskgate.client._sync import Client, Image, Result, Stream
from maskgate.domain import errors
from maskgate.domain.errors import MaskgateError
from maskgate.domain.granularity import Granularity
from maskgate.domain.image import ImageId, ImageInfo, ImageSize
from maskgate.domain.mask_handle import MaskHandle
from maskgate.domain.outline import Polygon
from maskgate.domain.output import CroppedPng, LowResLogits, MaskFormat
from maskgate.domain.output import RenderedMask as FoundMask
from maskgate.domain.prompt import Box, CoordinateSpace, Multimask, Point, Prompt
from maskgate.domain.rle import Rle
from maskgate.domain.timing import CacheTier, Timing

__all__ = [
    "Asked",
    "AsyncClient",
    "AsyncImage",
    "AsyncResult",
    "AsyncStream",
    "Box",
    "CacheTier",
    "Client",
    "CoordinateSpace",
    "CroppedPng",
    "FoundMask",
    "Granularity",
    "Image",
    "ImageId",
    "ImageInfo",
    "ImageSize",
    "KeyInTheClearError",
    "LowResLogits",
    "MaskFormat",
    "MaskHandle",
    "MaskgateError",
    "Model",
    "Multimask",
    "Point",
    "Pointing",
    "Polygon",
    "Progress",
    "Prompt",
    "Result",
    "Rle",
    "Searching",
    "Stream",
    "StreamAnswer",
    "Thing",
    "Timing",
    "Tls",
    "Wishes",
    "errors",
]
