"""Errors of parts of a call into messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.status import told

if TYPE_CHECKING:
    from maskgate.domain.errors import MaskgateError


def from_error(error: MaskgateError) -> pb.Error:
    """Write why a part of a call failed: what the status would say, had all of it."""
    known = told(error)
    return pb.Error(code=known.code.name, reason=known.reason, message=known.message, metadata=known.metadata)
