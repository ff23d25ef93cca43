"""Where a gateway is, who asks, and how both sides prove who they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from maskgate.domain.address import host_of, is_loopback

if TYPE_CHECKING:
    from os import PathLike

SILENT_SECONDS = 20.0
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # gRPC would ask the environment's proxy even for 127.0.0.1
    ("grpc.use_local_subchannel_pool", 1),  # else clients of one process share a connection, and so one worker
    ("grpc.http2.max_pings_without_data", 0),  # a call that waits for an answer has none to send
)
_UNIX = ("unix:", "unix-abstract:")


class KeyInTheClearError(ValueError):
    """An API key would go over a network that anybody may listen to."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"the API key would go to {address} in the clear: ask for TLS (tls=True), "
            "or say insecure=True if something else keeps it secret on its way"
        )


@dataclass(frozen=True, slots=True)
class Tls:
    """How a gateway proves who it is, and the client, where the gateway asks for that. Files are PEM.

    Attributes:
        ca: Authorities to trust rather than those that gRPC knows.
        certificate: The client's own certificate with its chain (mTLS).
        key: The key of that certificate.
    """

    ca: str | PathLike[str] | None = None
    certificate: str | PathLike[str] | None = None
    key: str | PathLike[str] | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises OSError."""
        ca, key, certificate = (file and Path(file).read_bytes() for file in (self.ca, self.key, self.certificate))
        return grpc.ssl_channel_credentials(ca or None, key or None, certificate or None)


@dataclass(frozen=True, slots=True)
class Access:
    """Where a gateway is, and how it is asked.

    Attributes:
        address: `host:port` of its gRPC endpoint.
        api_key: Goes along with each call.
        tls: How it is proven; None is in the clear.
        seconds: For each call.
        attempts: For each call.
        insecure: Whether the key may go in the clear to other machines.
        silent_seconds: After as long without a word the gateway is asked, while calls are under way, whether it is
            still there; and given as long to answer.

    Raises:
        KeyInTheClearError: The key would go in the clear to another machine, and nobody said that it may.
    """

    address: str
    api_key: str | None = field(repr=False)
    tls: Tls | None
    seconds: float
    attempts: int
    insecure: bool = False
    silent_seconds: float = SILENT_SECONDS

    def __post_init__(self) -> None:
        if self.api_key and not (self.tls or self.insecure or self._is_this_machine):
            raise KeyInTheClearError(self.address)

    @property
    def _is_this_machine(self) -> bool:
        return self.address.startswith(_UNIX) or is_loopback(host_of(self.address))

    def open_channel(self) -> grpc.aio.Channel:
        """Open a channel, in the event loop that runs. Raises OSError where files of TLS cannot be read."""
        silence = round(self.silent_seconds * 1000)
        options = (*_OPTIONS, ("grpc.keepalive_time_ms", silence), ("grpc.http2.ping_timeout_ms", silence))
        if self.tls is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        return grpc.aio.secure_channel(self.address, self.tls.credentials(), options=options)
