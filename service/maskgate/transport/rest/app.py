"""The REST app: the twin of the gRPC service, probes, metrics and documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from maskgate.transport.rest import errors
from maskgate.transport.rest.document import DocumentedApp
from maskgate.transport.rest.hosts import KnownHosts
from maskgate.transport.rest.limits import BodyLimit
from maskgate.transport.rest.routes import create_router
from maskgate.transport.rest.routes.requests import PROTOCOL
from maskgate.transport.rest.schemas.readiness import ReadyResponse
from maskgate.transport.rest.traffic import CountedTraffic

if TYPE_CHECKING:
    from fastapi import FastAPI

    from maskgate.domain.url import AllowedHosts
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.exposition import Exposition
    from maskgate.transport.health import Health
    from maskgate.transport.streams import Streams
    from maskgate.transport.usecases import UseCases


@dataclass(frozen=True, slots=True)
class RestBounds:
    """Limits of the app.

    Attributes:
        max_upload_bytes: The largest upload.
        hosts: By which names it may be asked, beside addresses and localhost; None: by any.
    """

    max_upload_bytes: int
    hosts: AllowedHosts | None = None


def create_app(
    usecases: UseCases,
    *,
    streams: Streams,
    observer: CallObserver,
    health: Health,
    exposition: Exposition,
    bounds: RestBounds,
) -> FastAPI:
    """Create the app; it holds no state of its own."""
    app = DocumentedApp(
        title="maskgate",
        description="Promptable segmentation: upload an image once, then ask for masks as often as you like.",
        redoc_url=None,
    )
    errors.install(app)
    app.include_router(create_router(usecases, streams=streams, observer=observer))
    _add_operations(app, health, exposition)
    app.add_middleware(BodyLimit, max_upload_bytes=bounds.max_upload_bytes)
    if bounds.hosts is not None:
        app.add_middleware(KnownHosts, allowed=bounds.hosts)
    app.add_middleware(CountedTraffic, traffic=observer.traffic(PROTOCOL))
    return app


def _add_operations(app: FastAPI, health: Health, exposition: Exposition) -> None:
    @app.get("/livez", tags=["operations"], response_class=PlainTextResponse)
    async def livez() -> str:
        """Tell that the process answers; asks neither Redis nor Triton."""
        return "ok"

    @app.get(
        "/readyz",
        tags=["operations"],
        response_model=ReadyResponse,
        responses={503: {"model": ReadyResponse, "description": "Calls cannot be answered."}},
    )
    async def readyz() -> Response:
        """Tell whether calls can be answered; Redis may be down, then only the cache is smaller."""
        components = {name: "up" if part.up else "down" for name, part in health.components.items()}
        body = {"ready": health.ready, "components": components}
        return JSONResponse(body, status_code=200 if health.ready else 503)

    @app.get("/metrics", tags=["operations"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Expose the metrics to Prometheus (docs/metrics.md)."""
        return Response(await exposition(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
