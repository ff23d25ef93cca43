"""The REST twins of our services, one module a subject: convert, call, convert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from maskgate.transport.rest.errors import DOCUMENTED
from maskgate.transport.rest.routes import batch, embeddings, encodes, generate, images, models, segment, stream

if TYPE_CHECKING:
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.streams import Streams
    from maskgate.transport.usecases import UseCases


def create_router(usecases: UseCases, *, streams: Streams, observer: CallObserver) -> APIRouter:
    """Create the routes under /v1."""
    router = APIRouter(responses=DOCUMENTED, tags=["segmentation"])
    for subject in (images, segment, batch, generate, encodes, embeddings, models):
        router.include_router(subject.create_router(usecases, observer=observer))
    router.include_router(stream.create_router(streams, observer=observer))
    return router
