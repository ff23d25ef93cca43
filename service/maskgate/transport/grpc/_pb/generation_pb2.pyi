from maskgate.transport.grpc._pb import segmentation_pb2 as _segmentation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Delivery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_UNSPECIFIED: _ClassVar[Delivery]
    DELIVERY_SETTLED: _ClassVar[Delivery]
    DELIVERY_AS_FOUND: _ClassVar[Delivery]
DELIVERY_UNSPECIFIED: Delivery
DELIVERY_SETTLED: Delivery
DELIVERY_AS_FOUND: Delivery

class GenerateMasksRequest(_message.Message):
    __slots__ = ("image_id", "model", "points_per_side", "point_grids", "pred_iou_thresh", "stability_score_thresh", "stability_score_offset", "box_nms_thresh", "crop_n_layers", "crop_nms_thresh", "crop_overlap_ratio", "crop_n_points_downscale_factor", "min_mask_region_area", "points_per_batch", "delivery", "output", "cursor")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    POINTS_PER_SIDE_FIELD_NUMBER: _ClassVar[int]
    POINT_GRIDS_FIELD_NUMBER: _ClassVar[int]
    PRED_IOU_THRESH_FIELD_NUMBER: _ClassVar[int]
    STABILITY_SCORE_THRESH_FIELD_NUMBER: _ClassVar[int]
    STABILITY_SCORE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    BOX_NMS_THRESH_FIELD_NUMBER: _ClassVar[int]
    CROP_N_LAYERS_FIELD_NUMBER: _ClassVar[int]
    CROP_NMS_THRESH_FIELD_NUMBER: _ClassVar[int]
    CROP_OVERLAP_RATIO_FIELD_NUMBER: _ClassVar[int]
    CROP_N_POINTS_DOWNSCALE_FACTOR_FIELD_NUMBER: _ClassVar[int]
    MIN_MASK_REGION_AREA_FIELD_NUMBER: _ClassVar[int]
    POINTS_PER_BATCH_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    model: str
    points_per_side: int
    point_grids: _containers.RepeatedCompositeFieldContainer[PointGrid]
    pred_iou_thresh: float
    stability_score_thresh: float
    stability_score_offset: float
    box_nms_thresh: float
    crop_n_layers: int
    crop_nms_thresh: float
    crop_overlap_ratio: float
    crop_n_points_downscale_factor: int
    min_mask_region_area: int
    points_per_batch: int
    delivery: Delivery
    output: _segmentation_pb2.MaskOutput
    cursor: str
    def __init__(self, image_id: _Optional[str] = ..., model: _Optional[str] = ..., points_per_side: _Optional[int] = ..., point_grids: _Optional[_Iterable[_Union[PointGrid, _Mapping]]] = ..., pred_iou_thresh: _Optional[float] = ..., stability_score_thresh: _Optional[float] = ..., stability_score_offset: _Optional[float] = ..., box_nms_thresh: _Optional[float] = ..., crop_n_layers: _Optional[int] = ..., crop_nms_thresh: _Optional[float] = ..., crop_overlap_ratio: _Optional[float] = ..., crop_n_points_downscale_factor: _Optional[int] = ..., min_mask_region_area: _Optional[int] = ..., points_per_batch: _Optional[int] = ..., delivery: _Optional[_Union[Delivery, str]] = ..., output: _Optional[_Union[_segmentation_pb2.MaskOutput, _Mapping]] = ..., cursor: _Optional[str] = ...) -> None: ...

class PointGrid(_message.Message):
    __slots__ = ("xy",)
    XY_FIELD_NUMBER: _ClassVar[int]
    xy: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, xy: _Optional[_Iterable[float]] = ...) -> None: ...

class GenerateMasksResponse(_message.Message):
    __slots__ = ("mask", "withdrawn", "progress", "summary", "cursor")
    MASK_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    mask: GeneratedMask
    withdrawn: WithdrawnMask
    progress: GenerationProgress
    summary: GenerationSummary
    cursor: str
    def __init__(self, mask: _Optional[_Union[GeneratedMask, _Mapping]] = ..., withdrawn: _Optional[_Union[WithdrawnMask, _Mapping]] = ..., progress: _Optional[_Union[GenerationProgress, _Mapping]] = ..., summary: _Optional[_Union[GenerationSummary, _Mapping]] = ..., cursor: _Optional[str] = ...) -> None: ...

class GeneratedMask(_message.Message):
    __slots__ = ("id", "mask", "point", "crop_box")
    ID_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    CROP_BOX_FIELD_NUMBER: _ClassVar[int]
    id: str
    mask: _segmentation_pb2.Mask
    point: _segmentation_pb2.Point
    crop_box: _segmentation_pb2.Box
    def __init__(self, id: _Optional[str] = ..., mask: _Optional[_Union[_segmentation_pb2.Mask, _Mapping]] = ..., point: _Optional[_Union[_segmentation_pb2.Point, _Mapping]] = ..., crop_box: _Optional[_Union[_segmentation_pb2.Box, _Mapping]] = ...) -> None: ...

class WithdrawnMask(_message.Message):
    __slots__ = ("id", "replaced_by")
    ID_FIELD_NUMBER: _ClassVar[int]
    REPLACED_BY_FIELD_NUMBER: _ClassVar[int]
    id: str
    replaced_by: str
    def __init__(self, id: _Optional[str] = ..., replaced_by: _Optional[str] = ...) -> None: ...

class GenerationProgress(_message.Message):
    __slots__ = ("prompts_done", "prompts_total", "candidates")
    PROMPTS_DONE_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    prompts_done: int
    prompts_total: int
    candidates: int
    def __init__(self, prompts_done: _Optional[int] = ..., prompts_total: _Optional[int] = ..., candidates: _Optional[int] = ...) -> None: ...

class GenerationSummary(_message.Message):
    __slots__ = ("masks", "width", "height", "model", "timing")
    MASKS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    masks: int
    width: int
    height: int
    model: str
    timing: _segmentation_pb2.Timing
    def __init__(self, masks: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., model: _Optional[str] = ..., timing: _Optional[_Union[_segmentation_pb2.Timing, _Mapping]] = ...) -> None: ...
