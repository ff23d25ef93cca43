"""The gRPC server: our services, standard health and reflection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from maskgate.transport.grpc.interceptor import ErrorInterceptor
from maskgate.transport.grpc.servicers import PACKAGE, SERVICES, add_services

if TYPE_CHECKING:
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.health import Health
    from maskgate.transport.streams import Streams
    from maskgate.transport.usecases import UseCases

LEAST_PING_MS = 1_000
"""Clients may ask as often whether this is still there, while it has nothing to say.

Balancers and SDKs do so every half a minute or so. By default gRPC takes more than one ping in five minutes for an
attack, and ends the connection with all its calls.
"""
_PINGS_ALLOWED = (
    ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_MS),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True, slots=True)
class GrpcBounds:
    """Limits of the server.

    Attributes:
        max_message_bytes: Larger messages are refused by gRPC itself, without a reason of ours.
        max_concurrent_calls: Calls over all connections; further ones are refused with RESOURCE_EXHAUSTED.
        connection_age_seconds: After that a connection takes no new calls, and its client opens another one; calls
            under way end first, however long they take. 0: never.
        share_port: Whether other servers listen on the port, too. Else a second one is a mistake to be told.
    """

    max_message_bytes: int
    max_concurrent_calls: int
    connection_age_seconds: float = 0.0
    share_port: bool = False

    @property
    def options(self) -> tuple[tuple[str, int], ...]:
        """As gRPC knows them; it lets the age of each connection differ by a tenth."""
        ageing = (("grpc.max_connection_age_ms", int(self.connection_age_seconds * 1000)),)
        return (
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", int(self.share_port)),
            *_PINGS_ALLOWED,
            *(ageing if self.connection_age_seconds else ()),
        )


async def create_server(
    usecases: UseCases, *, streams: Streams, observer: CallObserver, health_state: Health, bounds: GrpcBounds
) -> grpc.aio.Server:
    """Create the server, not yet bound to a port."""
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor(observer, package=PACKAGE)],
        maximum_concurrent_rpcs=bounds.max_concurrent_calls,
        options=bounds.options,
    )
    add_services(server, usecases, streams)
    await _add_health(server, health_state)
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return server


async def _add_health(server: grpc.aio.Server, state: Health) -> None:
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)

    async def tell(ready: bool) -> None:  # noqa: FBT001 - the listener's signature
        serving = health_pb2.HealthCheckResponse
        for service in ("", *SERVICES):
            await servicer.set(service, serving.SERVING if ready else serving.NOT_SERVING)

    await state.on_change(tell)
