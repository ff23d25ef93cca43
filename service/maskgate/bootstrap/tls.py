"""Settings → TLS on both ports: one certificate, one judgement of clients' certificates."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from maskgate.bootstrap.failures import CannotServeError

if TYPE_CHECKING:
    from maskgate.settings import Settings

_NO_PASSWORD = ""  # OpenSSL would ask the terminal for that of an encrypted key


class CannotSecureError(CannotServeError):
    """The files of TLS cannot be read, or do not belong together."""


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS as each of the servers takes it.

    Attributes:
        grpc: Credentials of the gRPC port.
        http: Arguments of uvicorn's configuration.
    """

    grpc: grpc.ServerCredentials
    http: dict[str, Any]


def read_tls(settings: Settings) -> Tls | None:
    """Read certificate, key and authorities; None where the gateway is to serve in the clear.

    Raises:
        CannotSecureError: They cannot be read, or do not belong together.
    """
    if not settings.tls_cert_file:
        return None
    try:
        _check(settings)
        return Tls(_credentials(settings), _arguments(settings))
    except OSError as error:  # which ssl.SSLError is
        raise CannotSecureError(f"cannot speak TLS with the files given (--tls-…): {error}") from error


def _check(settings: Settings) -> None:
    """Try the files out: gRPC itself would accept anything here, and fail each handshake later."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password=_NO_PASSWORD)
    if settings.tls_client_ca_file:
        context.load_verify_locations(settings.tls_client_ca_file)


def _credentials(settings: Settings) -> grpc.ServerCredentials:
    key, certificate = Path(settings.tls_key_file).read_bytes(), Path(settings.tls_cert_file).read_bytes()
    if not settings.tls_client_ca_file:
        return grpc.ssl_server_credentials([(key, certificate)])
    authorities = Path(settings.tls_client_ca_file).read_bytes()
    return grpc.ssl_server_credentials([(key, certificate)], authorities, require_client_auth=True)


def _arguments(settings: Settings) -> dict[str, Any]:
    return {
        "ssl_certfile": settings.tls_cert_file,
        "ssl_keyfile": settings.tls_key_file,
        "ssl_keyfile_password": _NO_PASSWORD,
        "ssl_ca_certs": settings.tls_client_ca_file or None,
        "ssl_cert_reqs": ssl.CERT_REQUIRED if settings.tls_client_ca_file else ssl.CERT_NONE,
    }
