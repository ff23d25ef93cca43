from maskgate.transport.grpc._pb import models_pb2 as _models_pb2
from maskgate.transport.grpc._pb import segmentation_pb2 as _segmentation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckImagesRequest(_message.Message):
    __slots__ = ("image_ids",)
    IMAGE_IDS_FIELD_NUMBER: _ClassVar[int]
    image_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, image_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckImagesResponse(_message.Message):
    __slots__ = ("images", "missing")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[_segmentation_pb2.Image]
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, images: _Optional[_Iterable[_Union[_segmentation_pb2.Image, _Mapping]]] = ..., missing: _Optional[_Iterable[str]] = ...) -> None: ...

class EncodeImagesRequest(_message.Message):
    __slots__ = ("images", "model")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[ImageSource]
    model: str
    def __init__(self, images: _Optional[_Iterable[_Union[ImageSource, _Mapping]]] = ..., model: _Optional[str] = ...) -> None: ...

class ImageSource(_message.Message):
    __slots__ = ("image_id", "content", "url")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    content: bytes
    url: str
    def __init__(self, image_id: _Optional[str] = ..., content: _Optional[bytes] = ..., url: _Optional[str] = ...) -> None: ...

class EncodeImagesResponse(_message.Message):
    __slots__ = ("index", "image_id", "width", "height", "cache_tier", "error")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CACHE_TIER_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    index: int
    image_id: str
    width: int
    height: int
    cache_tier: _segmentation_pb2.CacheTier
    error: _segmentation_pb2.Error
    def __init__(self, index: _Optional[int] = ..., image_id: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., cache_tier: _Optional[_Union[_segmentation_pb2.CacheTier, str]] = ..., error: _Optional[_Union[_segmentation_pb2.Error, _Mapping]] = ...) -> None: ...

class GetEmbeddingRequest(_message.Message):
    __slots__ = ("image_id", "model")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    model: str
    def __init__(self, image_id: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class GetEmbeddingResponse(_message.Message):
    __slots__ = ("embedding", "image_id", "width", "height", "model")
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    embedding: bytes
    image_id: str
    width: int
    height: int
    model: _models_pb2.Model
    def __init__(self, embedding: _Optional[bytes] = ..., image_id: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., model: _Optional[_Union[_models_pb2.Model, _Mapping]] = ...) -> None: ...

class DeleteImageRequest(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class DeleteImageResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
