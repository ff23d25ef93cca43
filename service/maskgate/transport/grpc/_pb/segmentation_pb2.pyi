from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Multimask(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MULTIMASK_UNSPECIFIED: _ClassVar[Multimask]
    MULTIMASK_AUTO: _ClassVar[Multimask]
    MULTIMASK_SINGLE: _ClassVar[Multimask]
    MULTIMASK_ALL: _ClassVar[Multimask]
    MULTIMASK_STABLE: _ClassVar[Multimask]

class CoordinateSpace(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COORDINATE_SPACE_UNSPECIFIED: _ClassVar[CoordinateSpace]
    COORDINATE_SPACE_PIXELS: _ClassVar[CoordinateSpace]
    COORDINATE_SPACE_NORMALIZED: _ClassVar[CoordinateSpace]

class Granularity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRANULARITY_UNSPECIFIED: _ClassVar[Granularity]
    GRANULARITY_WHOLE: _ClassVar[Granularity]
    GRANULARITY_PART: _ClassVar[Granularity]
    GRANULARITY_SUBPART: _ClassVar[Granularity]

class MaskFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MASK_FORMAT_UNSPECIFIED: _ClassVar[MaskFormat]
    MASK_FORMAT_COCO_RLE: _ClassVar[MaskFormat]
    MASK_FORMAT_PNG: _ClassVar[MaskFormat]
    MASK_FORMAT_CROPPED_PNG: _ClassVar[MaskFormat]
    MASK_FORMAT_POLYGONS: _ClassVar[MaskFormat]
    MASK_FORMAT_LOW_RES_LOGITS: _ClassVar[MaskFormat]

class CacheTier(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CACHE_TIER_UNSPECIFIED: _ClassVar[CacheTier]
    CACHE_TIER_MISS: _ClassVar[CacheTier]
    CACHE_TIER_L1: _ClassVar[CacheTier]
    CACHE_TIER_L2: _ClassVar[CacheTier]
MULTIMASK_UNSPECIFIED: Multimask
MULTIMASK_AUTO: Multimask
MULTIMASK_SINGLE: Multimask
MULTIMASK_ALL: Multimask
MULTIMASK_STABLE: Multimask
COORDINATE_SPACE_UNSPECIFIED: CoordinateSpace
COORDINATE_SPACE_PIXELS: CoordinateSpace
COORDINATE_SPACE_NORMALIZED: CoordinateSpace
GRANULARITY_UNSPECIFIED: Granularity
GRANULARITY_WHOLE: Granularity
GRANULARITY_PART: Granularity
GRANULARITY_SUBPART: Granularity
MASK_FORMAT_UNSPECIFIED: MaskFormat
MASK_FORMAT_COCO_RLE: MaskFormat
MASK_FORMAT_PNG: MaskFormat
MASK_FORMAT_CROPPED_PNG: MaskFormat
MASK_FORMAT_POLYGONS: MaskFormat
MASK_FORMAT_LOW_RES_LOGITS: MaskFormat
CACHE_TIER_UNSPECIFIED: CacheTier
CACHE_TIER_MISS: CacheTier
CACHE_TIER_L1: CacheTier
CACHE_TIER_L2: CacheTier

class UploadImageRequest(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    def __init__(self, content: _Optional[bytes] = ...) -> None: ...

class UploadImageResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ...) -> None: ...

class GetImageRequest(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class GetImageResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ...) -> None: ...

class SegmentRequest(_message.Message):
    __slots__ = ("image_id", "points", "box", "multimask", "model", "mask", "coordinates", "output")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    MULTIMASK_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    COORDINATES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    points: _containers.RepeatedCompositeFieldContainer[Point]
    box: Box
    multimask: Multimask
    model: str
    mask: MaskPrompt
    coordinates: CoordinateSpace
    output: MaskOutput
    def __init__(self, image_id: _Optional[str] = ..., points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., box: _Optional[_Union[Box, _Mapping]] = ..., multimask: _Optional[_Union[Multimask, str]] = ..., model: _Optional[str] = ..., mask: _Optional[_Union[MaskPrompt, _Mapping]] = ..., coordinates: _Optional[_Union[CoordinateSpace, str]] = ..., output: _Optional[_Union[MaskOutput, _Mapping]] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("points", "box", "mask")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[Point]
    box: Box
    mask: MaskPrompt
    def __init__(self, points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., box: _Optional[_Union[Box, _Mapping]] = ..., mask: _Optional[_Union[MaskPrompt, _Mapping]] = ...) -> None: ...

class ImagePrompts(_message.Message):
    __slots__ = ("image_id", "prompts")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    prompts: _containers.RepeatedCompositeFieldContainer[Prompt]
    def __init__(self, image_id: _Optional[str] = ..., prompts: _Optional[_Iterable[_Union[Prompt, _Mapping]]] = ...) -> None: ...

class SegmentBatchRequest(_message.Message):
    __slots__ = ("images", "multimask", "model", "coordinates", "output")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    MULTIMASK_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    COORDINATES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[ImagePrompts]
    multimask: Multimask
    model: str
    coordinates: CoordinateSpace
    output: MaskOutput
    def __init__(self, images: _Optional[_Iterable[_Union[ImagePrompts, _Mapping]]] = ..., multimask: _Optional[_Union[Multimask, str]] = ..., model: _Optional[str] = ..., coordinates: _Optional[_Union[CoordinateSpace, str]] = ..., output: _Optional[_Union[MaskOutput, _Mapping]] = ...) -> None: ...

class SegmentBatchResponse(_message.Message):
    __slots__ = ("model", "images", "timing")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    model: str
    images: _containers.RepeatedCompositeFieldContainer[ImageResult]
    timing: Timing
    def __init__(self, model: _Optional[str] = ..., images: _Optional[_Iterable[_Union[ImageResult, _Mapping]]] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ...) -> None: ...

class ImageResult(_message.Message):
    __slots__ = ("image_id", "width", "height", "prompts", "error", "timing")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    width: int
    height: int
    prompts: _containers.RepeatedCompositeFieldContainer[PromptResult]
    error: Error
    timing: Timing
    def __init__(self, image_id: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., prompts: _Optional[_Iterable[_Union[PromptResult, _Mapping]]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ...) -> None: ...

class PromptResult(_message.Message):
    __slots__ = ("masks", "error")
    MASKS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    masks: _containers.RepeatedCompositeFieldContainer[Mask]
    error: Error
    def __init__(self, masks: _Optional[_Iterable[_Union[Mask, _Mapping]]] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class SegmentResponse(_message.Message):
    __slots__ = ("image_id", "model", "masks", "timing", "width", "height")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    model: str
    masks: _containers.RepeatedCompositeFieldContainer[Mask]
    timing: Timing
    width: int
    height: int
    def __init__(self, image_id: _Optional[str] = ..., model: _Optional[str] = ..., masks: _Optional[_Iterable[_Union[Mask, _Mapping]]] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class SegmentStreamRequest(_message.Message):
    __slots__ = ("target", "prompt")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    target: StreamTarget
    prompt: StreamPrompt
    def __init__(self, target: _Optional[_Union[StreamTarget, _Mapping]] = ..., prompt: _Optional[_Union[StreamPrompt, _Mapping]] = ...) -> None: ...

class StreamTarget(_message.Message):
    __slots__ = ("image_id", "model", "multimask", "coordinates", "output")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MULTIMASK_FIELD_NUMBER: _ClassVar[int]
    COORDINATES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    model: str
    multimask: Multimask
    coordinates: CoordinateSpace
    output: MaskOutput
    def __init__(self, image_id: _Optional[str] = ..., model: _Optional[str] = ..., multimask: _Optional[_Union[Multimask, str]] = ..., coordinates: _Optional[_Union[CoordinateSpace, str]] = ..., output: _Optional[_Union[MaskOutput, _Mapping]] = ...) -> None: ...

class StreamPrompt(_message.Message):
    __slots__ = ("sequence", "prompt")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    prompt: Prompt
    def __init__(self, sequence: _Optional[int] = ..., prompt: _Optional[_Union[Prompt, _Mapping]] = ...) -> None: ...

class SegmentStreamResponse(_message.Message):
    __slots__ = ("sequence", "masks", "error", "superseded", "timing")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    masks: _containers.RepeatedCompositeFieldContainer[Mask]
    error: Error
    superseded: int
    timing: Timing
    def __init__(self, sequence: _Optional[int] = ..., masks: _Optional[_Iterable[_Union[Mask, _Mapping]]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., superseded: _Optional[int] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("image_id", "width", "height", "format", "size_bytes")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    width: int
    height: int
    format: str
    size_bytes: int
    def __init__(self, image_id: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., format: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x", "y", "label")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    label: int
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., label: _Optional[int] = ...) -> None: ...

class MaskPrompt(_message.Message):
    __slots__ = ("mask_handle", "png", "logits")
    MASK_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PNG_FIELD_NUMBER: _ClassVar[int]
    LOGITS_FIELD_NUMBER: _ClassVar[int]
    mask_handle: str
    png: bytes
    logits: bytes
    def __init__(self, mask_handle: _Optional[str] = ..., png: _Optional[bytes] = ..., logits: _Optional[bytes] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("x1", "y1", "x2", "y2")
    X1_FIELD_NUMBER: _ClassVar[int]
    Y1_FIELD_NUMBER: _ClassVar[int]
    X2_FIELD_NUMBER: _ClassVar[int]
    Y2_FIELD_NUMBER: _ClassVar[int]
    x1: float
    y1: float
    x2: float
    y2: float
    def __init__(self, x1: _Optional[float] = ..., y1: _Optional[float] = ..., x2: _Optional[float] = ..., y2: _Optional[float] = ...) -> None: ...

class Mask(_message.Message):
    __slots__ = ("rle", "predicted_iou", "area", "box", "stability_score", "token", "mask_handle", "png", "cropped_png", "polygons", "low_res_logits", "granularity")
    RLE_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_IOU_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    STABILITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    MASK_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PNG_FIELD_NUMBER: _ClassVar[int]
    CROPPED_PNG_FIELD_NUMBER: _ClassVar[int]
    POLYGONS_FIELD_NUMBER: _ClassVar[int]
    LOW_RES_LOGITS_FIELD_NUMBER: _ClassVar[int]
    GRANULARITY_FIELD_NUMBER: _ClassVar[int]
    rle: Rle
    predicted_iou: float
    area: int
    box: Box
    stability_score: float
    token: int
    mask_handle: str
    png: bytes
    cropped_png: CroppedPng
    polygons: _containers.RepeatedCompositeFieldContainer[Polygon]
    low_res_logits: LowResLogits
    granularity: Granularity
    def __init__(self, rle: _Optional[_Union[Rle, _Mapping]] = ..., predicted_iou: _Optional[float] = ..., area: _Optional[int] = ..., box: _Optional[_Union[Box, _Mapping]] = ..., stability_score: _Optional[float] = ..., token: _Optional[int] = ..., mask_handle: _Optional[str] = ..., png: _Optional[bytes] = ..., cropped_png: _Optional[_Union[CroppedPng, _Mapping]] = ..., polygons: _Optional[_Iterable[_Union[Polygon, _Mapping]]] = ..., low_res_logits: _Optional[_Union[LowResLogits, _Mapping]] = ..., granularity: _Optional[_Union[Granularity, str]] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    code: str
    reason: str
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class MaskOutput(_message.Message):
    __slots__ = ("formats", "polygon_tolerance", "polygon_min_area", "mask_handles")
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    POLYGON_TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    POLYGON_MIN_AREA_FIELD_NUMBER: _ClassVar[int]
    MASK_HANDLES_FIELD_NUMBER: _ClassVar[int]
    formats: _containers.RepeatedScalarFieldContainer[MaskFormat]
    polygon_tolerance: float
    polygon_min_area: int
    mask_handles: bool
    def __init__(self, formats: _Optional[_Iterable[_Union[MaskFormat, str]]] = ..., polygon_tolerance: _Optional[float] = ..., polygon_min_area: _Optional[int] = ..., mask_handles: _Optional[bool] = ...) -> None: ...

class CroppedPng(_message.Message):
    __slots__ = ("png", "x", "y")
    PNG_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    png: bytes
    x: int
    y: int
    def __init__(self, png: _Optional[bytes] = ..., x: _Optional[int] = ..., y: _Optional[int] = ...) -> None: ...

class Polygon(_message.Message):
    __slots__ = ("exterior", "holes", "area")
    EXTERIOR_FIELD_NUMBER: _ClassVar[int]
    HOLES_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    exterior: Ring
    holes: _containers.RepeatedCompositeFieldContainer[Ring]
    area: int
    def __init__(self, exterior: _Optional[_Union[Ring, _Mapping]] = ..., holes: _Optional[_Iterable[_Union[Ring, _Mapping]]] = ..., area: _Optional[int] = ...) -> None: ...

class Ring(_message.Message):
    __slots__ = ("xy",)
    XY_FIELD_NUMBER: _ClassVar[int]
    xy: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, xy: _Optional[_Iterable[int]] = ...) -> None: ...

class LowResLogits(_message.Message):
    __slots__ = ("data", "side", "valid_width", "valid_height")
    DATA_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    VALID_WIDTH_FIELD_NUMBER: _ClassVar[int]
    VALID_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    side: int
    valid_width: float
    valid_height: float
    def __init__(self, data: _Optional[bytes] = ..., side: _Optional[int] = ..., valid_width: _Optional[float] = ..., valid_height: _Optional[float] = ...) -> None: ...

class Rle(_message.Message):
    __slots__ = ("height", "width", "counts")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    height: int
    width: int
    counts: str
    def __init__(self, height: _Optional[int] = ..., width: _Optional[int] = ..., counts: _Optional[str] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("cache_tier", "queue_ms", "encode_ms", "decode_ms", "total_ms", "postprocess_ms")
    CACHE_TIER_FIELD_NUMBER: _ClassVar[int]
    QUEUE_MS_FIELD_NUMBER: _ClassVar[int]
    ENCODE_MS_FIELD_NUMBER: _ClassVar[int]
    DECODE_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    POSTPROCESS_MS_FIELD_NUMBER: _ClassVar[int]
    cache_tier: CacheTier
    queue_ms: float
    encode_ms: float
    decode_ms: float
    total_ms: float
    postprocess_ms: float
    def __init__(self, cache_tier: _Optional[_Union[CacheTier, str]] = ..., queue_ms: _Optional[float] = ..., encode_ms: _Optional[float] = ..., decode_ms: _Optional[float] = ..., total_ms: _Optional[float] = ..., postprocess_ms: _Optional[float] = ...) -> None: ...
