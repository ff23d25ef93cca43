"""The services of the contract, one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.transport.grpc._pb import generation_pb2, images_pb2, models_pb2, segmentation_pb2
from maskgate.transport.grpc._pb.generation_pb2_grpc import add_GenerationServiceServicer_to_server
from maskgate.transport.grpc._pb.images_pb2_grpc import add_ImageServiceServicer_to_server
from maskgate.transport.grpc._pb.models_pb2_grpc import add_ModelServiceServicer_to_server
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import add_SegmentationServiceServicer_to_server
from maskgate.transport.grpc.servicers.generation import GenerationServicer
from maskgate.transport.grpc.servicers.images import ImageServicer
from maskgate.transport.grpc.servicers.models import ModelServicer
from maskgate.transport.grpc.servicers.segmentation import SegmentationServicer

if TYPE_CHECKING:
    import grpc

    from maskgate.transport.streams import Streams
    from maskgate.transport.usecases import UseCases

PACKAGE = segmentation_pb2.DESCRIPTOR.package
"""The proto package of all of them."""

_DESCRIPTORS = tuple(
    service
    for file in (segmentation_pb2, generation_pb2, images_pb2, models_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
)

SERVICES = tuple(service.full_name for service in _DESCRIPTORS)
"""Their full names."""

METHODS = tuple(method.name for service in _DESCRIPTORS for method in service.methods)
"""The names of their methods, by which metrics and log call the twins over REST, too."""


def add_services(server: grpc.aio.Server, usecases: UseCases, streams: Streams) -> None:
    """Make a server answer their methods."""
    segmentation = SegmentationServicer(usecases, streams)
    add_SegmentationServiceServicer_to_server(segmentation, server)  # type: ignore[no-untyped-call] # generated
    add_ImageServiceServicer_to_server(ImageServicer(usecases), server)  # type: ignore[no-untyped-call]
    add_GenerationServiceServicer_to_server(GenerationServicer(usecases), server)  # type: ignore[no-untyped-call]
    add_ModelServiceServicer_to_server(ModelServicer(usecases), server)  # type: ignore[no-untyped-call]
