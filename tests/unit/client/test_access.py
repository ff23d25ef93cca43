from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from maskgate.bootstrap.tenants import Tenants
from maskgate.client import AsyncClient, Tls, errors
from maskgate.domain.api_key import ApiKey
from maskgate.domain.tenant import Tenant
from tests import pictures
from tests.certificates import Authority
from tests.fakes import FakeGrants, FakeKeys
from tests.unit.client.conftest import serving
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from pathlib import Path

KEY = str(ApiKey("acme0000", "s" * 43))


async def test_the_key_goes_along() -> None:
    """A gateway with keys takes calls of every kind with one, and none without."""
    world = World(tenants=Tenants(FakeKeys({KEY: Tenant("acme")}), FakeGrants()))
    async with serving(world) as served, AsyncClient(served.address, api_key=KEY) as client:
        image = await client.image(pictures.png(40, 30))
        answer = await image.segment(points=[(5, 5)])
        await image.encode()
        async with AsyncClient(served.address) as stranger:
            with pytest.raises(errors.Unauthenticated):
                await stranger.models()

    assert answer.best.area > 0


async def test_both_sides_prove_who_they_are(tmp_path: Path) -> None:
    """With its authority a gateway is trusted, and takes a client with a certificate; others do not come together."""
    authority = Authority("ours", tmp_path)
    gateway, mine = authority.issue("gateway"), authority.issue("mine")
    credentials = grpc.ssl_server_credentials(
        [(gateway.key.read_bytes(), gateway.cert.read_bytes())], authority.cert.read_bytes(), require_client_auth=True
    )
    trusted = Tls(ca=authority.cert, certificate=mine.cert, key=mine.key)
    async with serving(World(), credentials) as served:
        async with AsyncClient(served.address, tls=trusted) as client:
            assert await client.models()
        for tls in (False, True, Tls(ca=authority.cert)):
            async with AsyncClient(served.address, tls=tls, attempts=1) as stranger:
                with pytest.raises(errors.Unavailable):
                    await stranger.models()
