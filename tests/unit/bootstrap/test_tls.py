"""TLS as the servers of both protocols speak it, with real sockets and certificates of our own making."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from maskgate.bootstrap.failures import CannotServeError
from maskgate.bootstrap.servers import Gateway, Watchers, open_servers
from maskgate.bootstrap.tls import read_tls
from maskgate.settings import Settings
from maskgate.transport.exposition import exposition_of
from tests.certificates import Authority, Issued
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(frozen=True)
class Files:
    """Certificates of a gateway, of a client that it knows and of one that it does not."""

    ours: Authority
    gateway: Issued
    client: Issued
    stranger: Issued


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    ours, another = Authority("ours", folder), Authority("another", folder)
    return Files(ours, ours.issue("gateway"), ours.issue("client"), another.issue("stranger"))


def settings(files: Files, **given: Any) -> Settings:  # noqa: ANN401
    tls = {"tls_cert_file": str(files.gateway.cert), "tls_key_file": str(files.gateway.key)}
    return Settings(**{"grpc_port": 0, "http_port": 0, "drain_seconds": 0, **tls, **given})


@asynccontextmanager
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    world = World()
    watchers = Watchers(exposition_of(world.registry), world.metrics, world.health)
    async with open_servers(settings, world.usecases, watchers) as opened:
        yield opened


async def over_rest(gateway: Gateway, files: Files, certificate: Issued | None = None) -> str:
    """Ask for /livez; the answer, or the kind of failure."""
    context = ssl.create_default_context(cafile=files.ours.cert)
    if certificate:
        context.load_cert_chain(certificate.cert, certificate.key)
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        try:
            return (await client.get(f"https://127.0.0.1:{gateway.http_port}/livez")).text
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            return "refused"


async def over_grpc(gateway: Gateway, files: Files, certificate: Issued | None = None) -> str:
    """Ask for gRPC's health; the answer, or the kind of failure."""
    credentials = grpc.ssl_channel_credentials(
        files.ours.cert.read_bytes(),
        certificate and certificate.key.read_bytes(),
        certificate and certificate.cert.read_bytes(),
    )
    options = (("grpc.enable_http_proxy", 0),)
    async with grpc.aio.secure_channel(f"127.0.0.1:{gateway.grpc_port}", credentials, options=options) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.aio.AioRpcError:
            return "refused"
        return "ok"


ASK = {"grpc": over_grpc, "rest": over_rest}
both_ports = pytest.mark.parametrize("protocol", ASK)


@both_ports
async def test_tls(files: Files, protocol: str) -> None:
    """With a certificate both ports speak TLS, and clients that trust its authority are answered."""
    async with gateway(settings(files)) as opened:
        assert "ok" == await ASK[protocol](opened, files)


@both_ports
async def test_mutual_tls(files: Files, protocol: str) -> None:
    """Where clients' certificates are asked for, those without one or with a stranger's are refused."""
    async with gateway(settings(files, tls_client_ca_file=str(files.ours.cert))) as opened:
        answers = [await ASK[protocol](opened, files, each) for each in (files.client, None, files.stranger)]

    assert ["ok", "refused", "refused"] == answers


async def test_nothing_is_said_in_the_clear(files: Files) -> None:
    """A port that speaks TLS speaks nothing else."""
    async with gateway(settings(files)) as opened, httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://127.0.0.1:{opened.http_port}/livez")


@pytest.mark.parametrize("wrong", ["missing", "no PEM", "another's key"])
def test_useless_files_are_told(files: Files, tmp_path: Path, wrong: str) -> None:
    """Files that cannot be read or do not belong together end the start, not each handshake."""
    key = tmp_path / "key.pem"
    if wrong != "missing":
        key.write_text("no PEM" if wrong == "no PEM" else files.client.key.read_text())

    with pytest.raises(CannotServeError, match="--tls-"):
        read_tls(settings(files, tls_key_file=str(key)))


def test_in_the_clear_by_default() -> None:
    """Without a certificate there is no TLS."""
    assert read_tls(Settings()) is None
