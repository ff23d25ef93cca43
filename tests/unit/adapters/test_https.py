"""Fetching images, from a real server with TLS on this machine that a resolver of the test calls public."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from maskgate.adapters.https import HttpsImageFetcher, resolve
from maskgate.adapters.instrumented import InstrumentedFetcher
from maskgate.domain.errors import ImageTooLarge, ImageUrlUnavailable, InvalidImageUrl, MaskgateError
from maskgate.domain.image import ImageLimits
from maskgate.domain.url import AllowedHosts, ImageUrl
from maskgate.telemetry import Metrics
from tests.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

HOST = "localhost"  # as the certificate says; the resolver of the test says where it is
PUBLIC = "93.184.216.34"
LIMITS = ImageLimits(max_bytes=1000, max_pixels=1, max_side=1)
FILE = b"\x89PNG and so on"


@dataclass
class Web:
    """A server, the names that lead to it, and what was asked of it.

    Attributes:
        answers: Responses by path, as bytes on the wire; without one, the server stays silent.
        names: Addresses by name: for each time that it is asked, the last one for ever.
        asked: Requests.
        connected: Addresses that were connected to.
    """

    tls: ssl.SSLContext
    port: int = 0
    answers: dict[str, bytes | list[bytes]] = field(default_factory=dict)
    names: dict[str, list[Sequence[str]]] = field(default_factory=lambda: {HOST: [[PUBLIC]]})
    resolved: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)

    async def resolve(self, host: str) -> Sequence[str]:
        self.resolved.append(host)
        answers = self.names.get(host, [[]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(request)
            answer = self.answers.get(request.split()[1])
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                for part in answer or ():
                    writer.write(part)
                    await writer.drain()
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def fetcher(self, *, timeout: float = 5, hosts: Sequence[str] = (HOST,)) -> HttpsImageFetcher:
        return HttpsImageFetcher(
            hosts=AllowedHosts(hosts),
            limits=LIMITS,
            timeout=timeout,
            resolve=self.resolve,
            network=Elsewhere(self),
            tls=self.tls,
        )

    async def fetch(self, path: str = "/a.png", *, timeout: float = 5) -> bytes:
        return await self.fetcher(timeout=timeout).fetch(ImageUrl.parse(f"https://{HOST}{path}"))


class Elsewhere(httpcore.AnyIOBackend):
    """Notes where somebody wants to connect to, and connects to the server of the test."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def connect_tcp(self, host: str, port: int, *_args: Any, **_options: Any) -> httpcore.AsyncNetworkStream:  # noqa: ANN401
        self._web.connected.append((host, port))
        return await super().connect_tcp("127.0.0.1", self._web.port)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("authority", tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server_tls(authority: Authority) -> ssl.SSLContext:
    issued = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert, issued.key)
    return context


@pytest.fixture
async def web(authority: Authority, server_tls: ssl.SSLContext) -> AsyncIterator[Web]:
    web = Web(ssl.create_default_context(cafile=str(authority.cert)))
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0, ssl=server_tls)
    web.port = server.sockets[0].getsockname()[1]
    yield web
    server.close()


def ok(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_a_file_is_fetched(web: Web) -> None:
    """From the address that the name was resolved to, once, with nothing that tells who is asking."""
    web.answers["/a.png?b=1"] = ok(FILE)

    content = await web.fetch("/a.png?b=1")

    assert FILE == content
    assert ([(PUBLIC, 443)], [HOST]) == (web.connected, web.resolved)
    headers = {line.partition(":")[0] for line in web.asked[0].splitlines()[1:] if line}
    assert {"Host", "Accept", "Accept-Encoding", "User-Agent"} == headers


async def test_environments_of_proxies_do_not_matter(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect to what it likes."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    web.answers["/a.png"] = ok(FILE)

    assert FILE == await web.fetch()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(web: Web, status: int) -> None:
    """Up to three, each resolved and checked from the start."""
    web.answers |= {
        "/a.png": redirect("/b", status),
        "/b": redirect(f"https://{HOST}/c"),
        "/c": redirect("d"),
        "/d": ok(FILE),
    }

    assert FILE == await web.fetch()
    assert [HOST] * 4 == web.resolved


REFUSED = {
    "a fourth redirect": {
        "/a.png": redirect("/b"),
        "/b": redirect("/c"),
        "/c": redirect("/d"),
        "/d": redirect("/e"),
        "/e": ok(FILE),
    },
    "a redirect to a private address": {"/a.png": redirect("https://169.254.169.254/latest/meta-data")},
    "a redirect to another host": {"/a.png": redirect("https://evil.example/")},
    "a redirect to another port": {"/a.png": redirect(f"https://{HOST}:8443/")},
    "a redirect to http": {"/a.png": redirect(f"http://{HOST}/b"), "/b": ok(FILE)},
    "a redirect to nowhere": {"/a.png": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"},
    "a redirect that is none": {"/a.png": redirect("https://[/")},
    "not found": {"/a.png": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
    "part of a file": {"/a.png": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx"},
    "compressed": {"/a.png": ok(b"\x1f\x8b", "Content-Encoding: gzip")},
    "cut short": {"/a.png": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"},
    "no HTTP": {"/a.png": b"SSH-2.0-OpenSSH_9.6\r\n\r\n"},
    "endless headers": {"/a.png": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000},
}


@pytest.mark.parametrize("why", REFUSED)
async def test_answers_that_are_refused(web: Web, why: str) -> None:
    """Whatever is wrong, the client is told the same, and the log why."""
    web.answers |= REFUSED[why]

    with capture_logs() as logs, pytest.raises(ImageUrlUnavailable) as caught:
        await web.fetch()

    assert ("The image could not be fetched.", {"host": HOST}) == (caught.value.message, caught.value.metadata)
    assert ["image_url.unavailable"] == [entry["event"] for entry in logs]
    assert {(PUBLIC, 443)} == set(web.connected)


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["127.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], [PUBLIC, "192.168.0.1"], ["fe80::1%lo", PUBLIC], []],
    ids=str,
)
async def test_names_of_private_addresses(web: Web, addresses: list[str]) -> None:
    """If one of a name's addresses is not public, none is connected to; nor is that told."""
    web.names[HOST] = [addresses]
    web.answers["/a.png"] = ok(FILE)

    with pytest.raises(ImageUrlUnavailable, match=r"^The image could not be fetched\.$"):
        await web.fetch()

    assert [] == web.connected


async def test_a_name_server_that_changes_its_mind(web: Web) -> None:
    """What was checked is what is connected to; a redirect asks again, and its answer is checked again."""
    web.names[HOST] = [[PUBLIC], ["127.0.0.1"]]
    web.answers |= {"/a.png": ok(FILE), "/b.png": redirect("/a.png")}

    first = await web.fetch()
    web.names[HOST] = [[PUBLIC], ["127.0.0.1"]]
    with pytest.raises(ImageUrlUnavailable):
        await web.fetch("/b.png")

    assert FILE == first
    assert [(PUBLIC, 443)] * 2 == web.connected


@pytest.mark.parametrize("endless", [False, True])
async def test_files_that_are_too_large(web: Web, endless: bool) -> None:  # noqa: FBT001
    """They are not read to their end, whether they say how long they are or not."""
    parts = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"64\r\n" + b"x" * 100 + b"\r\n"] * 100]
    web.answers["/a.png"] = parts if endless else ok(b"x" * 1001)

    with pytest.raises(ImageTooLarge):
        await web.fetch()


@pytest.mark.parametrize("path", ["/silent", "/slow"])
async def test_servers_that_take_too_long(web: Web, path: str) -> None:
    """A file has its time in all, however busily its server sends."""
    web.answers["/slow"] = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"x"]

    with pytest.raises(ImageUrlUnavailable):
        await web.fetch(path, timeout=0.2)


async def test_certificates_are_checked(web: Web) -> None:
    """A server that cannot prove its name is told like any other failure."""
    web.answers["/a.png"] = ok(FILE)
    web.tls = ssl.create_default_context()

    with pytest.raises(ImageUrlUnavailable):
        await web.fetch()

    assert [] == web.asked


@pytest.mark.parametrize("hosts", [[], ["example.com"], ["*.localhost"]])
async def test_hosts_that_are_not_allowed(web: Web, hosts: list[str]) -> None:
    """They are not even looked up."""
    with pytest.raises(InvalidImageUrl):
        await web.fetcher(hosts=hosts).fetch(ImageUrl.parse(f"https://{HOST}/"))

    assert ([], []) == (web.resolved, web.connected)


async def test_the_system_resolves_names() -> None:
    """All addresses of a name are told."""
    assert {"127.0.0.1"} <= set(await resolve("localhost"))


async def test_names_that_nobody_knows(web: Web) -> None:
    """They are told like any other failure."""
    fetcher = HttpsImageFetcher(hosts=AllowedHosts(["*.invalid"]), limits=LIMITS, timeout=5, network=Elsewhere(web))

    for name in ("nobody.invalid", "a." * 130 + "invalid"):
        with pytest.raises(ImageUrlUnavailable):
            await fetcher.fetch(ImageUrl.parse(f"https://{name}/"))


async def test_fetches_are_counted(web: Web) -> None:
    """By what became of them."""
    registry = CollectorRegistry()
    fetcher = InstrumentedFetcher(web.fetcher(), fetches=Metrics(registry).images.fetches)
    web.answers |= {"/a": ok(FILE), "/b": ok(b"x" * 1001), "/c": redirect("https://evil.example/")}

    for url in (*(f"https://{HOST}/{path}" for path in "abc"), "https://evil.example/"):
        try:
            await fetcher.fetch(ImageUrl.parse(url))
        except MaskgateError:
            continue

    results = ("done", "too_large", "failed", "refused")
    counts = [registry.get_sample_value("maskgate_image_fetches_total", {"result": result}) for result in results]
    assert [1, 1, 1, 1] == counts
