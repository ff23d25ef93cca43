"""What one tenant learns of another's images: nothing, whatever method it asks.

The lists of methods are those of the server and of the app themselves: one that is new fails here until it is said how
it is asked for an image.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc

from maskgate.adapters.near_grants import NearGrants
from maskgate.adapters.quotas import MemoryQuotas
from maskgate.bootstrap.tenants import Tenants
from maskgate.domain.api_key import ApiKey
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Point
from maskgate.domain.tenant import Limits, Tenant
from maskgate.transport.calls import Envelope
from maskgate.transport.grpc.servicers import SERVICES
from tests import pictures
from tests.fakes import CALL, FailingStore, FakeGrants, FakeKeys, FakeStore
from tests.unit.transport import resources as resources_of
from tests.unit.transport.conversations import EndedError, refusable_conversation
from tests.unit.transport.skins import BOUNDS, SKINS, MaskPrompt, create_rest_app, open_grpc, open_rest
from tests.unit.transport.world import SETTINGS, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from google.protobuf.descriptor import Descriptor, MethodDescriptor

    from tests.unit.transport.skins import Skin

PHOTO, UNKNOWN_PHOTO = pictures.png(), pictures.png(30, 20)
PHOTO_ID, UNKNOWN = str(ImageId.of(PHOTO)), str(ImageId.of(UNKNOWN_PHOTO))
CLICK = Point(10, 20)
ACME, OTHER, FORGED = (str(ApiKey(name, "s" * 43)) for name in ("acme0000", "other000", "forged00"))
KEYS = FakeKeys({ACME: Tenant("acme"), OTHER: Tenant("other")})

_PROMPT = {"points": [{"x": 10, "y": 20}]}
_BATCH = {"images": [{"image_id": PHOTO_ID, "prompts": [_PROMPT]}]}
ASKED_OVER_GRPC: dict[str, dict[str, Any]] = {
    "CheckImages": {"image_ids": [PHOTO_ID]},
    "DeleteImage": {"image_id": PHOTO_ID},
    "EncodeImages": {"images": [{"image_id": PHOTO_ID}]},
    "GenerateMasks": {"image_id": PHOTO_ID},
    "GetEmbedding": {"image_id": PHOTO_ID},
    "GetImage": {"image_id": PHOTO_ID},
    "Segment": {"image_id": PHOTO_ID, **_PROMPT},
    "SegmentBatch": _BATCH,
    "SegmentStream": {"target": {"image_id": PHOTO_ID}},
}
"""How each method that names an image is asked for one."""

ASKED_OVER_REST: dict[str, dict[str, Any] | None] = {
    "DELETE /v1/images/{image_id}": None,
    "GET /v1/images/{image_id}": None,
    "GET /v1/images/{image_id}/embedding": None,
    "HEAD /v1/images/{image_id}": None,
    "POST /v1/images/{image_id}:generate": {},
    "POST /v1/images/{image_id}:segment": _PROMPT,
    "POST /v1/images:segment": _BATCH,
    "POST /v1/images:check": {"image_ids": [PHOTO_ID]},
    "POST /v1/images:encode": {"images": [{"image_id": PHOTO_ID}]},
}
"""How each route that names an image is asked for one: the body."""

NAMELESS_ROUTES = {"POST /v1/images", "GET /v1/models", "GET /v1/models/{name}"}
"""Routes that name no image."""

both_skins = pytest.mark.parametrize("protocol", SKINS)


def methods() -> Iterator[MethodDescriptor]:
    for service in SERVICES:
        yield from descriptor_pool.Default().FindServiceByName(service).methods


def names_an_image(message: Descriptor, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a message has a field for an image's identifier, at any depth."""
    deeper = [field.message_type for field in message.fields if field.message_type]
    return any(field.name in ("image_id", "image_ids") for field in message.fields) or any(
        names_an_image(each, seen | {message.full_name}) for each in deeper if each.full_name not in seen
    )


def routes() -> Iterator[str]:
    app = create_rest_app(World())  # only its routes are looked at
    for path, verbs in app.openapi()["paths"].items():
        if path.startswith("/v1"):
            yield from (f"{verb.upper()} {path}" for verb in verbs)


GRPC_METHODS = {method.name: method for method in methods()}
REST_ROUTES = sorted(routes())


class Asking:
    """A tenant that asks any method over gRPC, or any route over REST, with JSON."""

    def __init__(self, channel: Any) -> None:  # noqa: ANN401 - either client
        self._channel = channel

    async def over_grpc(self, method: MethodDescriptor, body: dict[str, Any]) -> str:
        """The answers as text, errors included."""
        request = json_format.ParseDict(body, message_factory.GetMessageClass(method.input_type)())
        shape = "_".join("stream" if each else "unary" for each in (method.client_streaming, method.server_streaming))
        multi = getattr(self._channel, shape)(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        call = multi(iter([request] if body else []) if method.client_streaming else request)
        try:
            answers = [answer async for answer in call] if method.server_streaming else [await call]
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name} {error.details()}"
        return _without_times("".join(map(str, answers)))

    async def over_rest(self, route: str, body: dict[str, Any] | None, *, image_id: str) -> str:
        """The status and the body as text."""
        verb, path = route.split()
        response = await self._channel.request(verb, path.format(image_id=image_id, name=SETTINGS.models[0]), json=body)
        return _without_times(f"{response.status_code} {response.text}")


def _without_times(text: str) -> str:
    """Answers of successes differ in how long they took; here it matters only that they are successes."""
    return text.partition("timing")[0]


def a_world() -> World:
    grants = FakeGrants()
    return World(tenants=Tenants(KEYS, grants), store=FakeStore(grants))


@asynccontextmanager
async def two_tenants(protocol: str) -> AsyncIterator[tuple[Skin, Skin]]:
    """Acme, which has uploaded the photo, and somebody else, at one gateway."""
    world = a_world()
    async with SKINS[protocol](world, ACME) as acme, SKINS[protocol](world, OTHER) as other:
        await acme.upload(PHOTO)
        yield acme, other


# Who calls


def test_every_method_is_asked() -> None:
    """This suite knows how each method and route is asked that names an image, and that the others name none."""
    naming = {name for name, method in GRPC_METHODS.items() if names_an_image(method.input_type)}

    assert naming == ASKED_OVER_GRPC.keys()
    assert {*REST_ROUTES} == ASKED_OVER_REST.keys() | NAMELESS_ROUTES


@pytest.mark.parametrize("key", ["", FORGED, "no key at all"])
@pytest.mark.parametrize("method", GRPC_METHODS)
async def test_every_method_needs_a_key(method: str, key: str) -> None:
    """Without a key, or with one that is nobody's, a method answers nothing else than that, and the call is counted."""
    world = a_world()
    async with open_grpc(world, key) as skin:
        answer = await Asking(skin.channel).over_grpc(GRPC_METHODS[method], {})

    assert "UNAUTHENTICATED" in answer
    assert world.answered("grpc", method, "UNAUTHENTICATED") == 1


@pytest.mark.parametrize("key", ["", FORGED, "no key at all"])
@pytest.mark.parametrize("route", REST_ROUTES)
async def test_every_route_needs_a_key(route: str, key: str) -> None:
    """Without a key, or with one that is nobody's, a route answers 401 and how to send one, and the call is counted."""
    world = a_world()
    async with open_rest(world, key) as skin:
        verb, path = route.split()
        response = await skin.client.request(verb, path.format(image_id=PHOTO_ID, name="x"))

    assert (401, "Bearer") == (response.status_code, response.headers["WWW-Authenticate"])
    assert "UNAUTHENTICATED" in response.text or verb == "HEAD"
    assert world.counted("rest", "UNAUTHENTICATED") == 1


@pytest.mark.parametrize("key", ["", FORGED])
async def test_a_websocket_needs_a_key(key: str) -> None:
    """A stream over a WebSocket without a key is ended before its first message is read."""
    world = a_world()
    stream = refusable_conversation(world, {"authorization": f"Bearer {key}"})
    await stream.hear()  # that it is accepted
    await stream.target(PHOTO_ID)

    with pytest.raises(EndedError) as ended:
        await stream.answer()
    await stream.serving

    assert ("UNAUTHENTICATED", "UNAUTHENTICATED", None) == ended.value.args
    assert world.counted("rest", "UNAUTHENTICATED") == 1


async def test_another_tenants_image_is_nobodys_over_a_websocket() -> None:
    """A stream answers for somebody else's image as it does for one that nobody has; for its owner it opens."""
    world, ends = a_world(), []
    async with open_rest(world, ACME) as acme:
        await acme.upload(PHOTO)
    for key, image_id in ((OTHER, PHOTO_ID), (OTHER, UNKNOWN), (ACME, PHOTO_ID)):
        stream = refusable_conversation(world, {"authorization": f"Bearer {key}"})
        await stream.hear()
        await stream.target(image_id)
        try:
            ends.append(str((await stream.answer()).sequence))
        except EndedError as error:
            ends.append(error.args[1])
        await stream.leave()
        await stream.serving

    assert ["IMAGE_NOT_FOUND", "IMAGE_NOT_FOUND", "0"] == ends


@both_skins
async def test_nothing_is_read_of_who_has_no_key(protocol: str) -> None:
    """A body is refused before its first byte, whatever and however much it is."""
    async with SKINS[protocol](a_world()) as skin:
        answers = [await skin.upload(bytes(BOUNDS.max_message_bytes + 1)), await skin.send_garbage(PHOTO_ID)]

    assert [("UNAUTHENTICATED", "UNAUTHENTICATED")] * 2 == [answer.refusal for answer in answers]


@both_skins
async def test_a_key_lets_in(protocol: str) -> None:
    """With a key everything is as without keys."""
    async with SKINS[protocol](a_world(), ACME) as skin:
        answers = [await skin.upload(PHOTO), await skin.get(PHOTO_ID), await skin.segment(PHOTO_ID, CLICK)]

    assert ["OK"] * 3 == [answer.code for answer in answers]


@both_skins
async def test_a_gateway_without_keys_looks_at_none(protocol: str) -> None:
    """A client that sends its key to an open gateway is answered."""
    async with SKINS[protocol](World(), FORGED) as skin:
        assert "OK" == (await skin.upload(PHOTO)).code


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("Bearer a", "a"),
        ("bearer a", "a"),
        ("BEARER  a ", "a"),
        ("Basic a", None),
        ("a", None),
        ("", None),
        (None, None),
    ],
)
def test_how_a_key_is_said(said: str | None, key: str | None) -> None:
    """The scheme's case does not matter; another scheme is no key."""
    assert key == Envelope(said).key


def test_a_key_is_not_shown() -> None:
    """What a log or a traceback shows of an envelope holds no key."""
    assert ACME not in repr(Envelope(f"Bearer {ACME}"))


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json"])
async def test_probes_and_metrics_are_open(path: str) -> None:
    """What orchestrators ask needs no key, and names nobody."""
    async with open_rest(a_world(), ACME) as acme, open_rest(a_world()) as nobody:
        await acme.upload(PHOTO)
        response = await nobody.client.get(path)

    assert response.status_code in (200, 503)
    assert "acme" not in response.text


async def test_health_is_open() -> None:
    """A load balancer's gRPC health checks need no key."""
    async with open_grpc(a_world()) as skin:
        stub: Any = health_pb2_grpc.HealthStub(skin.channel)
        response = await stub.Check(health_pb2.HealthCheckRequest())

    assert health_pb2.HealthCheckResponse.NOT_SERVING == response.status


# Whose image it is


@pytest.mark.parametrize("method", ASKED_OVER_GRPC)
async def test_another_tenants_image_is_nobodys_over_grpc(method: str) -> None:
    """A method answers for somebody else's image as it does for one that nobody has, and leaves it as it is."""
    body = ASKED_OVER_GRPC[method]
    other_body = json.loads(json.dumps(body).replace(PHOTO_ID, UNKNOWN))
    async with two_tenants("grpc") as (acme, other):
        asking = Asking(other.channel)  # type: ignore[attr-defined] # it is over gRPC
        stranger = await asking.over_grpc(GRPC_METHODS[method], body)
        unknown = await asking.over_grpc(GRPC_METHODS[method], other_body)
        still_there = await acme.get(PHOTO_ID)
        owner = await Asking(acme.channel).over_grpc(GRPC_METHODS[method], body)  # type: ignore[attr-defined]
        afterwards = await acme.get(PHOTO_ID)

    assert unknown == stranger.replace(PHOTO_ID, UNKNOWN)
    assert owner != stranger or "NOT_FOUND" == afterwards.code
    assert "OK" == still_there.code


@pytest.mark.parametrize("route", ASKED_OVER_REST)
async def test_another_tenants_image_is_nobodys_over_rest(route: str) -> None:
    """A route answers for somebody else's image as it does for one that nobody has, and leaves it as it is."""
    body = ASKED_OVER_REST[route]
    other_body = json.loads(json.dumps(body).replace(PHOTO_ID, UNKNOWN))
    async with two_tenants("rest") as (acme, other):
        asking = Asking(other.client)  # type: ignore[attr-defined] # it is over REST
        stranger = await asking.over_rest(route, body, image_id=PHOTO_ID)
        unknown = await asking.over_rest(route, other_body, image_id=UNKNOWN)
        still_there = await acme.get(PHOTO_ID)
        owner = await Asking(acme.client).over_rest(route, body, image_id=PHOTO_ID)  # type: ignore[attr-defined]
        afterwards = await acme.get(PHOTO_ID)

    assert unknown == stranger.replace(PHOTO_ID, UNKNOWN)
    assert owner != stranger or "NOT_FOUND" == afterwards.code
    assert "OK" == still_there.code


@both_skins
async def test_who_has_the_bytes_may_use_the_image(protocol: str) -> None:
    """Uploading what somebody else has uploaded answers as if nobody had, and lets use it."""
    async with two_tenants(protocol) as (acme, other):
        before = await other.segment(PHOTO_ID, CLICK)
        uploaded = await other.upload(PHOTO)
        after = [await other.segment(PHOTO_ID, CLICK), await other.get(PHOTO_ID)]
        theirs = await acme.upload(PHOTO)

    assert ("NOT_FOUND", "IMAGE_NOT_FOUND") == before.refusal
    assert theirs == uploaded
    assert ["OK", "OK"] == [answer.code for answer in after]


@both_skins
async def test_a_handle_is_its_tenants(protocol: str) -> None:
    """A mask's handle means nothing to a tenant that it was not answered to, although both have the image."""
    async with two_tenants(protocol) as (acme, other):
        await other.upload(PHOTO)
        (mask,) = (await acme.segment(PHOTO_ID, CLICK)).payload["masks"][:1]
        handle = MaskPrompt(mask_handle=mask["mask_handle"])
        answers = [await skin.segment(PHOTO_ID, CLICK, mask=handle) for skin in (acme, other)]

    assert ["", "MASK_HANDLE_NOT_FOUND"] == [answer.reason for answer in answers]


async def test_what_one_deletes_stays_the_others() -> None:
    """Of two tenants who have uploaded an image each deletes it for itself; with the last one it is gone for good."""
    world = a_world()
    deleting, body = GRPC_METHODS["DeleteImage"], {"image_id": PHOTO_ID}
    async with open_grpc(world, ACME) as acme, open_grpc(world, OTHER) as other:
        await acme.upload(PHOTO)
        await other.upload(PHOTO)
        await Asking(acme.channel).over_grpc(deleting, body)
        after_one = [await acme.segment(PHOTO_ID, CLICK), await other.segment(PHOTO_ID, CLICK)]
        kept = await world.store.info(ImageId.parse(PHOTO_ID))
        await Asking(other.channel).over_grpc(deleting, body)
        gone = await world.store.info(ImageId.parse(PHOTO_ID))

    assert ["NOT_FOUND", "OK"] == [answer.code for answer in after_one]
    assert (True, True) == (kept is not None, gone is None)


@both_skins
async def test_somebody_elses_image_is_not_looked_for(protocol: str) -> None:
    """Neither the store nor a model is asked, so that time tells as little as the answer."""
    world = a_world()
    async with SKINS[protocol](world, ACME) as acme, SKINS[protocol](world, OTHER) as other:
        await acme.upload(PHOTO)
        looked_up = world.store.looks
        await other.segment(PHOTO_ID, CLICK)
        await other.get(PHOTO_ID)

    assert (looked_up, 0, 0) == (world.store.looks, world.backend.encodes, len(world.backend.decodes))


@both_skins
async def test_a_warm_click_asks_nobody(protocol: str) -> None:
    """Whose image it is is known for a while, so a click waits for no other server."""
    shared = FakeGrants()
    async with SKINS[protocol](World(tenants=Tenants(KEYS, NearGrants(shared))), ACME) as skin:
        await skin.upload(PHOTO)
        asked = shared.asked
        answers = [await skin.segment(PHOTO_ID, CLICK) for _ in range(3)]

    assert ["OK"] * 3 == [answer.code for answer in answers]
    assert asked == shared.asked


@both_skins
async def test_while_nobody_can_tell(protocol: str) -> None:
    """Without Redis an image that this gateway does not know as the caller's is unknown, not missing."""
    shared = FakeGrants()
    async with SKINS[protocol](World(tenants=Tenants(KEYS, NearGrants(shared))), ACME) as skin:
        await skin.upload(PHOTO)
        shared.away = True
        known, unknown = await skin.segment(PHOTO_ID, CLICK), await skin.get(UNKNOWN)

    assert "OK" == known.code
    assert ("UNAVAILABLE", "STORE_UNAVAILABLE") == unknown.refusal


@both_skins
@pytest.mark.parametrize("away", ["store", "grants"])
async def test_deleting_while_nobody_can_be_told(protocol: str, away: str) -> None:
    """A deletion fails that Redis does not learn of; this gateway has forgotten the image, and it can be repeated."""
    shared = FakeGrants()
    world = World(tenants=Tenants(KEYS, NearGrants(shared)), store=FakeStore(shared))
    async with SKINS[protocol](world, ACME) as skin:
        await skin.upload(PHOTO)
        await skin.segment(PHOTO_ID, CLICK)
        delete, revoke = world.store.delete, shared.revoke
        if away == "store":
            world.store.delete = FailingStore().delete  # type: ignore[method-assign] # away
        else:
            broken = FakeGrants()
            broken.away = True
            shared.revoke = broken.revoke  # type: ignore[method-assign] # away
        failed = await resources_of.of(skin).delete(PHOTO_ID)
        left = list(world.shelf.entries)
        world.store.delete, shared.revoke = delete, revoke  # type: ignore[method-assign] # back
        repeated = await resources_of.of(skin).delete(PHOTO_ID)

    assert (("UNAVAILABLE", "STORE_UNAVAILABLE"), [], "OK") == (failed.refusal, left, repeated.code)
    assert await world.store.info(ImageId.parse(PHOTO_ID)) is None
    assert not shared.held(ImageId.parse(PHOTO_ID))


# How much one may use


@both_skins
async def test_too_many_calls_of_a_tenant(protocol: str) -> None:
    """Calls over a tenant's limit are refused with the time to come again; another tenant's are answered."""
    keys = FakeKeys({ACME: Tenant("acme", Limits(calls_per_second=0.02)), OTHER: Tenant("other")})
    world = World(tenants=Tenants(keys, FakeGrants(), MemoryQuotas()))
    async with SKINS[protocol](world, ACME) as acme, SKINS[protocol](world, OTHER) as other:
        first, second, others = await acme.upload(PHOTO), await acme.get(PHOTO_ID), await other.upload(PHOTO)

    assert ["OK", "RESOURCE_EXHAUSTED", "OK"] == [answer.code for answer in (first, second, others)]
    assert ("QUOTA_EXCEEDED", {"quota": "calls_per_second", "limit": "0.02"}) == (second.reason, second.metadata)
    assert second.retry_after is not None
    assert 40 <= second.retry_after <= 50


@both_skins
async def test_tenants_take_turns(protocol: str) -> None:
    """A tenant that asks for much at once does not keep another one waiting for all of it."""
    keys = FakeKeys({ACME: Tenant("acme"), OTHER: Tenant("other")})
    world = World(tenants=Tenants(keys, FakeGrants(), MemoryQuotas()), decodes=1)
    async with SKINS[protocol](world, ACME) as acme, SKINS[protocol](world, OTHER) as other:
        for skin in (acme, other):
            await skin.upload(PHOTO)
            await skin.segment(PHOTO_ID, CLICK)
        world.backend.decodes.clear()
        world.backend.gate.clear()
        calls = []
        for skin, x in ((acme, 1), (acme, 2), (acme, 3), (other, 4)):
            calls.append(asyncio.create_task(skin.segment(PHOTO_ID, Point(x, 1))))
            await asyncio.sleep(0.05)
        world.backend.gate.set()
        await asyncio.gather(*calls)

    xs = [decode.slots.coords[0][0] for decode in world.backend.decodes]
    assert [0, 1, 3, 2] == sorted(range(4), key=lambda place: xs[place])


async def test_too_many_targets_of_a_tenant() -> None:
    """The first target comes with the call that opened the stream; each further one counts as a call."""
    acme = Tenant("acme", Limits(calls_per_second=0.02))
    world = World(tenants=Tenants(FakeKeys({ACME: acme}), FakeGrants(), MemoryQuotas()))
    await world.usecases.upload_image(PHOTO, call=replace(CALL, tenant=acme))
    stream = refusable_conversation(world, {"authorization": f"Bearer {ACME}"})
    await stream.hear()
    await stream.target(PHOTO_ID)
    first = await stream.answer()
    await stream.target(PHOTO_ID)

    with pytest.raises(EndedError) as ended:
        await stream.answer()

    assert (0, ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")) == (first.sequence, ended.value.args[:2])
    await stream.serving


@both_skins
async def test_too_many_pixels_of_a_tenant(protocol: str) -> None:
    """Encoding over a tenant's limit is refused; what is encoded already is free, whoever has encoded it."""
    pixels = 40 * 30
    keys = FakeKeys({ACME: Tenant("acme", Limits(pixels_per_minute=pixels)), OTHER: Tenant("other")})
    world = World(tenants=Tenants(keys, FakeGrants(), MemoryQuotas()))
    third = pictures.png(31, 25)
    async with SKINS[protocol](world, ACME) as acme, SKINS[protocol](world, OTHER) as other:
        for skin, content in ((acme, PHOTO), (acme, UNKNOWN_PHOTO), (acme, third), (other, third)):
            await skin.upload(content)
        await other.segment(str(ImageId.of(third)), CLICK)
        answers = [await acme.segment(each, CLICK) for each in (PHOTO_ID, PHOTO_ID, UNKNOWN, str(ImageId.of(third)))]

    assert ["OK", "OK", "RESOURCE_EXHAUSTED", "OK"] == [answer.code for answer in answers]
    assert {"quota": "pixels_per_minute", "limit": str(pixels)} == answers[2].metadata


@both_skins
async def test_images_over_the_limit_go(protocol: str) -> None:
    """Of a tenant's images those that it has not used for longest go, once they weigh more than it may have.

    Nothing is left of them, neither in the store nor in a cache, but where another tenant has them.
    """
    keys = FakeKeys({ACME: Tenant("acme", Limits(cache_bytes=SETTINGS.embedding_slot_bytes * 3 // 2))})
    grants = FakeGrants()
    shared_photo = pictures.png(31, 25)
    shared = ImageId.of(shared_photo)
    await grants.grant(Tenant("other"), shared, weight=1)
    world = World(tenants=Tenants(keys, grants), store=FakeStore(grants))
    async with SKINS[protocol](world, ACME) as skin:
        uploads = []
        for content in (shared_photo, PHOTO, UNKNOWN_PHOTO):
            uploads.append(await skin.upload(content))
            uploads.append(await skin.segment(str(ImageId.of(content)), Point(10, 10)))
        found = [await skin.get(image_id) for image_id in (PHOTO_ID, UNKNOWN)]

    assert ["OK"] * 6 == [answer.code for answer in uploads]
    assert ["NOT_FOUND", "OK"] == [answer.code for answer in found]
    kept = [shared, ImageId.parse(UNKNOWN)]
    assert await world.store.info(ImageId.parse(PHOTO_ID)) is None
    assert None not in await world.store.infos(kept)
    assert kept == [key.image_id for key in world.shelf.entries]
    assert kept == [key.image_id for key in world.cache.entries]
