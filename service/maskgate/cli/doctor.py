"""`maskgate doctor`: looks at a stack, and says of each part whether it is well and what cures it."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import click
import numpy as np

from maskgate.cli.connection import gateway_options
from maskgate.client import Client, MaskgateError
from maskgate.domain.errors import Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.cli.connection import Gateway

_SHM = Path("/dev/shm")  # noqa: S108 - that of the system
_LEAST_SHM = 256 * 2**20
_SECONDS = 10.0
_LOOPBACK = ("127.0.0.1:", "localhost:", "[::1]:")
_START = "start one with `maskgate up`, or say where it is with --address and --http"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what was found.

    Attributes:
        what: What was looked at.
        is_well: Whether it is as it should be.
        said: What was seen.
        cure: What to do about it.
    """

    what: str
    is_well: bool
    said: str
    cure: str = ""

    def __str__(self) -> str:
        mark = "ok  " if self.is_well else "FAIL"
        return f"{mark}  {self.what:<15}{self.said}" + (f"\n{'':21}-> {self.cure}" if self.cure else "")


@click.command()
@click.option("--http", default="http://127.0.0.1:8080", help="URL of the gateway's HTTP endpoint.")
@gateway_options
def doctor(*, http: str, gateway: Gateway) -> None:
    """Look at a running stack from here, and say what is wrong with it. Status 1 where something is."""
    findings = []
    # the click comes first: with it the shared memory is made known to Triton
    for finding in chain(_grpc_findings(gateway), _http_findings(http, gateway), _host_findings(gateway)):
        click.echo(finding)
        findings.append(finding)
    sys.exit(0 if all(finding.is_well for finding in findings) else 1)


def _http_findings(http: str, gateway: Gateway) -> Iterator[Finding]:
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=_context(gateway)))
    try:
        told = _ready(opener, http)
        metrics = opener.open(f"{http}/metrics", timeout=_SECONDS).read().decode()
    except (OSError, ValueError) as error:
        said = str(error.reason) if isinstance(error, URLError) else str(error)
        yield Finding("http", is_well=False, said=f"{http} does not answer as a gateway: {said}", cure=_START)
        return
    yield _readiness(http, is_ready=told["ready"])
    for name, state in told["components"].items():
        yield Finding(name, is_well=state == "up", said=state, cure="" if state == "up" else _cure_of(name))
    yield _shared_memory(metrics)


def _readiness(http: str, *, is_ready: bool) -> Finding:
    cure = "" if is_ready else "see the components below; while it starts or stops this is as it should be"
    return Finding("gateway", is_ready, f"{http} is {'ready' if is_ready else 'not ready'}", cure)


def _cure_of(component: str) -> str:
    if component == "redis":
        return "see whether it runs where MASKGATE_REDIS_URL says; until then each gateway remembers for itself"
    if component == "encoder":
        return "see whether a Triton runs where MASKGATE_ENCODER_URL says; until then new images have to wait"
    return "see whether Triton runs where MASKGATE_TRITON_URL says, and what its log says of the model"


def _ready(opener: Any, http: str) -> dict[str, Any]:  # noqa: ANN401 - urllib's opener has no public type
    try:
        answer = opener.open(f"{http}/readyz", timeout=_SECONDS).read()
    except HTTPError as error:  # 503 says what is missing
        answer = error.read()
    told: dict[str, Any] = json.loads(answer)
    if not {"ready", "components"} <= told.keys():
        raise ValueError("it says nothing of being ready")
    return told


def _shared_memory(metrics: str) -> Finding:
    """Tell whether clicks name their embedding's place in memory or carry it; both work (docs/metrics.md, the slab)."""
    registered = dict(re.findall(r'^maskgate_slab_registrations_total{result="(\w+)"} (\S+)$', metrics, re.MULTILINE))
    slots = re.findall(r"^maskgate_slab_slots{.*} (\S+)$", metrics, re.MULTILINE)
    if not sum(map(float, slots)):
        return _not_shared(
            "the gateway has none", "see whether /dev/shm is there and has room, if Triton is on its host"
        )
    if float(registered.get("done", 0)):
        return Finding("shared memory", is_well=True, said="used: Triton reads embeddings where they lie")
    if float(registered.get("refused", 0)):
        return _not_shared(
            "Triton cannot map it", "on one host, give both the same /dev/shm and user (docs/engines.md)"
        )
    return Finding("shared memory", is_well=True, said="not used yet: it is made known to Triton with the first click")


def _not_shared(why: str, cure: str) -> Finding:
    return Finding("shared memory", is_well=True, said=f"not used, {why}: each click carries its embedding", cure=cure)


def _grpc_findings(gateway: Gateway) -> Iterator[Finding]:
    with Client(gateway.address, **gateway.proofs, timeout=60, attempts=1) as client:
        try:
            served = client.models()
        except MaskgateError as error:
            yield Finding("grpc", is_well=False, said=error.message, cure=_cure_of_call(error, gateway))
            return
        yield Finding(
            "grpc", is_well=True, said=f"{gateway.address} answers {'over TLS' if gateway.trusted else 'in the clear'}"
        )
        yield _key(gateway)
        for model in served:
            cure = "" if model.ready else "see Triton's log: its files cannot be loaded, or its process has crashed"
            yield Finding(f"model {model.name}", model.ready, "ready" if model.ready else "unavailable", cure)
        yield _decode(client)


def _key(gateway: Gateway) -> Finding:
    return Finding("key", is_well=True, said="taken" if gateway.api_key else "none, and none is asked for")


def _cure_of_call(error: MaskgateError, gateway: Gateway) -> str:
    if isinstance(error, Unauthenticated):
        return "give a key with --api-key or MASKGATE_API_KEY; operators make them with `maskgate keys new`"
    if isinstance(error, Unavailable) and gateway.trusted:
        return "see whether it speaks TLS there, and whether --ca has the authority of its certificate"
    return _START + "; one that speaks TLS needs --tls or --ca"


def _decode(client: Client) -> Finding:
    """Segment a disc on a plain ground, as anybody would."""
    y, x = np.mgrid[:80, :96]
    disc = (x - 48) ** 2 + (y - 40) ** 2 < 25**2
    photo = np.where(disc[..., None], (220, 60, 40), (40, 90, 160)).astype(np.uint8)
    try:
        answer = client.image(photo).segment(points=[(48, 40)], handles=False)
    except MaskgateError as error:
        return Finding(
            "a click", is_well=False, said=f"{error.reason}: {error.message}", cure="docs/errors.md says what to do"
        )
    said = f"{answer.best.area} pixels, {answer.timing.total * 1e3:.0f} ms, embedding {answer.timing.cache_tier.value}"
    return Finding("a click", is_well=answer.best.area > 0, said=said)


def _host_findings(gateway: Gateway) -> Iterator[Finding]:
    """Look at this machine, if the gateway is on it."""
    if not gateway.address.startswith(_LOOPBACK) or not _SHM.is_dir():
        return
    size = shutil.disk_usage(_SHM).total
    cure = (
        ""
        if size >= _LEAST_SHM
        else "give the container more (--shm-size, or an emptyDir of medium Memory): embeddings lie there"
    )
    yield Finding(str(_SHM), size >= _LEAST_SHM, f"{size / 2**20:.0f} MiB", cure)


def _context(gateway: Gateway) -> ssl.SSLContext | None:
    trusted = gateway.trusted
    if trusted is None:
        return None
    context = ssl.create_default_context(cafile=trusted.ca)
    if trusted.certificate is not None:
        context.load_cert_chain(trusted.certificate, trusted.key)
    return context
