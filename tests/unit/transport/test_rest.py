"""What only REST has."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from maskgate.domain.errors import BackendUnavailable
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Point
from tests import pictures
from tests.unit.transport.world import SETTINGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.unit.transport.skins import RestSkin
    from tests.unit.transport.world import World

PHOTO = pictures.png()
PHOTO_ID = str(ImageId.of(PHOTO))
CLICK = Point(10, 20)
BODY = {"points": [{"x": 10, "y": 20}]}
BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}


async def chunks(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    """A body whose length is not declared."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def test_an_upload_is_created(rest: RestSkin) -> None:
    """An upload answers 201 and says where the image is, and there it is."""
    response = await rest.client.post("/v1/images", content=PHOTO)
    found = await rest.client.get(response.headers["Location"])

    assert (201, f"/v1/images/{PHOTO_ID}") == (response.status_code, response.headers["Location"])
    assert response.json() == found.json()


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "text/plain", ""])
async def test_a_raw_body_is_the_file(rest: RestSkin, kind: str) -> None:
    """Whatever a client calls it, a body that is no form is the file itself."""
    response = await rest.client.post("/v1/images", content=PHOTO, headers={"Content-Type": kind})

    assert PHOTO_ID == response.json()["image_id"]


@pytest.mark.parametrize("field", ["file", "image"])
async def test_the_first_file_of_a_form(rest: RestSkin, field: str) -> None:
    """Of a form the first file is taken, whatever its field is called; other fields do not matter."""
    other = ("other.png", pictures.png(5, 5))

    response = await rest.client.post(
        "/v1/images", data={"note": "hello"}, files=[(field, ("photo.png", PHOTO)), ("second", other)]
    )

    assert (201, PHOTO_ID) == (response.status_code, response.json()["image_id"])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"--b\r\nContent-Disposition: form-data; name=note\r\n\r\nhello\r\n--b--\r\n", "INVALID_IMAGE"),
        (b"this is no form", "INVALID_REQUEST"),
        (b"--b\r\nno header\r\n\r\n--b--\r\n", "INVALID_REQUEST"),
    ],
    ids=["a form without a file", "no form", "a broken part"],
)
async def test_forms_that_are_refused(rest: RestSkin, world: World, body: bytes, reason: str) -> None:
    """A form without a file or a broken one is the client's mistake, and counted as such."""
    response = await rest.client.post("/v1/images", content=body, headers=BOUNDARY)

    error = response.json()["error"]
    assert (400, "INVALID_ARGUMENT", reason) == (response.status_code, error["status"], error["reason"])
    assert world.answered("rest", "UploadImage", "INVALID_ARGUMENT") == 1


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("form", [True, False])
async def test_long_bodies_are_not_read_to_the_end(rest: RestSkin, declared: bool, form: bool) -> None:  # noqa: FBT001
    """A body is refused once it is over the limit, also where its length is not declared."""
    sent = 0
    content = bytes(100 * SETTINGS.max_upload_bytes)
    if form:
        content = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + content

    async def counted() -> AsyncIterator[bytes]:
        nonlocal sent
        async for chunk in chunks(content):
            sent += len(chunk)
            yield chunk

    headers = (BOUNDARY if form else {}) | ({"Content-Length": str(len(content))} if declared else {})
    response = await rest.client.post("/v1/images", content=counted(), headers=headers)

    assert (400, "IMAGE_TOO_LARGE") == (response.status_code, response.json()["error"]["reason"])
    assert sent <= SETTINGS.max_upload_bytes + 70_000
    assert bool(sent) != declared


async def test_a_chunked_upload_within_the_limit(rest: RestSkin) -> None:
    """A body whose length is not declared is taken like any other."""
    response = await rest.client.post("/v1/images", content=chunks(PHOTO, size=7))

    assert PHOTO_ID == response.json()["image_id"]


async def test_a_form_may_be_a_little_longer_than_its_file(rest: RestSkin) -> None:
    """A file of exactly the limit fits, with the headers of the form around it."""
    response = await rest.client.post("/v1/images", files={"file": bytes(SETTINGS.max_upload_bytes)})

    assert "INVALID_IMAGE" == response.json()["error"]["reason"]


async def test_a_file_in_a_form_has_the_limit_of_any(rest: RestSkin) -> None:
    """A file over the limit is refused although the form around it may be longer."""
    response = await rest.client.post("/v1/images", files={"file": bytes(SETTINGS.max_upload_bytes + 1)})

    assert "IMAGE_TOO_LARGE" == response.json()["error"]["reason"]


async def test_json_is_limited_too(rest: RestSkin) -> None:
    """A prompt of megabytes is refused by its length."""
    answer = await rest.send_bytes(PHOTO_ID, b'{"model": "' + b"x" * 2**20 + b'"}')

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == answer.refusal
    assert {"limit_bytes": str(2**20)} == answer.metadata


async def test_head_asks_without_a_body(rest: RestSkin) -> None:
    """A client can ask whether its image is kept before it sends it."""
    before = await rest.client.head(f"/v1/images/{PHOTO_ID}")
    await rest.upload(PHOTO)
    after = await rest.client.head(f"/v1/images/{PHOTO_ID}")

    assert [404, 200] == [before.status_code, after.status_code]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"points=1",
        b'"text"',
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"points": [{"x": 1, "y": 1, "label": 1' + b"0" * 5000 + b"}]}",
        b"[" * 100_000,
        b'{"points": [{"x": 1}]}',
        b'{"points": [{"x": "1", "y": 1}]}',
        b'{"points": [{"x": 1, "y": 1, "label": 0.5}]}',
        b'{"points": [{"x": 1, "y": 1, "label": true}]}',
        b'{"points": [{"x": 1, "y": 1, "z": 1}]}',
        b'{"point": [{"x": 1, "y": 1}]}',
        b'{"points": null}',
        b'{"box": [1, 2, 3, 4]}',
        b'{"box": {"x1": 1, "y1": 1, "x2": 2}}',
        b'{"points": [{"x": 1, "y": 1}], "multimask": "AUTO"}',
        b'{"points": [{"x": 1, "y": 1}], "multimask": 1}',
        b'{"points": [{"x": 1, "y": 1}], "model": 1}',
        b'{"points": [{"x": 1, "y": 1}], "output": "png"}',
        b'{"points": [{"x": 1, "y": 1}], "output": {"formats": "png"}}',
        b'{"points": [{"x": 1, "y": 1}], "output": {"format": ["png"]}}',
        b'{"points": [{"x": 1, "y": 1}], "output": {"polygon_min_area": 0.5}}',
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
async def test_bodies_that_are_no_request(rest: RestSkin, body: bytes) -> None:
    """Broken JSON, unknown and missing fields and wrong types are refused with the place of the fault."""
    await rest.upload(PHOTO)

    answer = await rest.send_bytes(PHOTO_ID, body)

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == answer.refusal
    assert answer.message


async def test_half_a_surrogate_pair(rest: RestSkin) -> None:
    """Text that UTF-8 cannot write is no text."""
    await rest.upload(PHOTO)

    answer = await rest.send_bytes(PHOTO_ID, b'{"points": [{"x": 1, "y": 1}], "model": "\\ud800"}')

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == answer.refusal


async def test_long_json_is_refused_whatever_it_is_called(rest: RestSkin) -> None:
    """A prompt is limited by its path, so that no content type lets a longer one in."""
    body = b'{"points": [' + b" " * 2**20 + b"]}"
    headers = {"Content-Type": "application/x+json"}
    response = await rest.client.post(f"/v1/images/{PHOTO_ID}:segment", content=body, headers=headers)

    assert (400, "INVALID_REQUEST") == (response.status_code, response.json()["error"]["reason"])


async def test_a_refusal_names_the_field(rest: RestSkin) -> None:
    """The path to the field is in the message and, for machines, in the metadata."""
    await rest.upload(PHOTO)

    answer = await rest.send(PHOTO_ID, {"points": [{"x": 1, "y": 1}, {"x": 1, "y": "down"}]})

    assert {"field": "points.1.y"} == answer.metadata
    assert "points.1.y" in answer.message


async def test_fields_have_defaults(rest: RestSkin, world: World) -> None:
    """A point without a label is on the object; whole numbers will do."""
    await rest.upload(PHOTO)

    await rest.send(PHOTO_ID, BODY)

    assert [1, -1] == world.backend.decodes[0].slots.labels[:2].tolist()


@pytest.mark.parametrize("accept", ["image/png", "image/png, application/json;q=0.5", "image/webp,image/png"])
async def test_a_mask_as_png(rest: RestSkin, accept: str) -> None:
    """A client that accepts PNG gets the best mask as one, of the image's size, with its scores in headers."""
    await rest.upload(PHOTO)

    response = await rest.client.post(f"/v1/images/{PHOTO_ID}:segment", json=BODY, headers={"Accept": accept})

    expected = np.zeros((30, 40), np.uint8)
    expected[:, :20] = 255
    assert ("image/png", "0.9000") == (response.headers["Content-Type"], response.headers["X-Predicted-IoU"])
    assert "1.0000" == response.headers["X-Stability-Score"]
    np.testing.assert_array_equal(expected, np.asarray(Image.open(io.BytesIO(response.content))))


async def test_who_accepts_png_gets_png(rest: RestSkin) -> None:
    """Whatever forms the body asks for: there is room for one mask only."""
    await rest.upload(PHOTO)
    body = BODY | {"output": {"formats": ["rle", "polygons"]}, "multimask": "all"}

    response = await rest.client.post(f"/v1/images/{PHOTO_ID}:segment", json=body, headers={"Accept": "image/png"})

    assert "image/png" == response.headers["Content-Type"]


async def test_errors_are_json_for_who_accepts_png(rest: RestSkin) -> None:
    """A refusal can be read whatever was accepted."""
    response = await rest.client.post(f"/v1/images/{PHOTO_ID}:segment", json=BODY, headers={"Accept": "image/png"})

    assert (404, "IMAGE_NOT_FOUND") == (response.status_code, response.json()["error"]["reason"])


async def test_server_timing(rest: RestSkin) -> None:
    """Browsers show where the time went, and caches know that the answer depends on Accept."""
    await rest.upload(PHOTO)

    response = await rest.client.post(f"/v1/images/{PHOTO_ID}:segment", json=BODY)

    names = [span.split(";")[0] for span in response.headers["Server-Timing"].split(", ")]
    assert ["cache", "queue", "encode", "decode", "postprocess", "total"] == names
    assert "Accept" == response.headers["Vary"]


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan", ""])
async def test_deadlines_that_make_no_sense(rest: RestSkin, seconds: str) -> None:
    """A Request-Timeout has to be a number above 0."""
    response = await rest.client.get(f"/v1/images/{PHOTO_ID}", headers={"Request-Timeout": seconds})

    assert (400, "INVALID_REQUEST") == (response.status_code, response.json()["error"]["reason"])


async def test_retry_after(rest: RestSkin, world: World) -> None:
    """An answer that is worth another try says when, and one that is not does not."""
    await rest.upload(PHOTO)
    world.backend.encode_error = BackendUnavailable("Triton is away.")

    away = await rest.client.post(f"/v1/images/{PHOTO_ID}:segment", json=BODY)
    wrong = await rest.client.post(f"/v1/images/{PHOTO_ID}:segment", json={})

    assert (503, "1") == (away.status_code, away.headers["Retry-After"])
    assert "Retry-After" not in wrong.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/images", 404),
        ("GET", "/v1/images", 405),
        ("PATCH", f"/v1/images/{PHOTO_ID}", 405),
        ("POST", f"/v1/images/{PHOTO_ID}:erase", 405),
    ],
)
async def test_unknown_routes_answer_like_all_errors(rest: RestSkin, method: str, path: str, status: int) -> None:
    """Even what is no route of ours is answered with an error of the usual form."""
    response = await rest.client.request(method, path)

    error = response.json()["error"]
    assert status == response.status_code == error["code"]
    assert {"code", "status", "reason", "message", "metadata"} == set(error)


async def test_the_documentation_describes_every_route(rest: RestSkin) -> None:
    """OpenAPI lists our routes, the upload's body, and the errors with their form."""
    response = await rest.client.get("/openapi.json")

    paths: dict[str, Any] = response.json()["paths"]
    upload = paths["/v1/images"]["post"]
    assert {
        "/v1/images",
        "/v1/images/{image_id}",
        "/v1/images/{image_id}:segment",
        "/v1/images/{image_id}:generate",
        "/v1/images/{image_id}/embedding",
        "/v1/images:check",
        "/v1/images:encode",
        "/v1/images:segment",
        "/v1/models",
        "/v1/models/{name}",
        "/livez",
        "/readyz",
        "/metrics",
    } == set(paths)
    assert {"get", "head", "delete"} == set(paths["/v1/images/{image_id}"])
    assert {"application/octet-stream", "image/*", "multipart/form-data"} == set(upload["requestBody"]["content"])
    assert {"400", "404", "429", "500", "503", "504"} <= set(upload["responses"])


async def test_the_documentation_has_no_loose_ends(rest: RestSkin) -> None:
    """Every reference of the OpenAPI document leads to one of its schemas, and the prompt's points are described."""
    document = (await rest.client.get("/openapi.json")).json()
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    prompt = document["paths"]["/v1/images/{image_id}:segment"]["post"]["requestBody"]["content"]["application/json"]

    assert set() == set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))) - schemas
    assert {"x", "y", "label"} == set(prompt["schema"]["properties"]["points"]["items"]["properties"])


async def test_documentation_page(rest: RestSkin) -> None:
    """There is a page to try the service out."""
    response = await rest.client.get("/docs")

    assert 200 == response.status_code


async def test_readiness_follows_the_components(rest: RestSkin, world: World) -> None:
    """Ready means that Triton is up; Redis is shown, but its absence only makes the gateway forget faster."""
    states = []
    for name, up, required in (
        ("redis", True, False),
        ("triton", True, True),
        ("redis", False, False),
        ("triton", False, True),
    ):
        await world.health.report(name, up=up, required=required)
        response = await rest.client.get("/readyz")
        states.append((response.status_code, response.json()))

    assert [
        (503, {"ready": False, "components": {"redis": "up"}}),
        (200, {"ready": True, "components": {"redis": "up", "triton": "up"}}),
        (200, {"ready": True, "components": {"redis": "down", "triton": "up"}}),
        (503, {"ready": False, "components": {"redis": "down", "triton": "down"}}),
    ] == states


async def test_liveness_asks_nobody(rest: RestSkin) -> None:
    """A gateway without Triton and Redis is alive: restarting it would not help."""
    response = await rest.client.get("/livez")

    assert (200, "ok") == (response.status_code, response.text)


async def test_metrics_are_exposed(rest: RestSkin) -> None:
    """Prometheus finds the counts of our calls."""
    await rest.upload(PHOTO)

    response = await rest.client.get("/metrics")

    assert 'maskgate_requests_total{code="OK",method="UploadImage",protocol="rest"} 1.0' in response.text.splitlines()
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")


async def test_a_client_that_leaves_during_its_upload(rest: RestSkin, world: World) -> None:
    """A connection that breaks in the middle of a body is no failure of the service."""
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": PHOTO[:100], "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        del message

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/images",
        "headers": [],
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
    }
    app: Any = rest.client._transport
    await app.app(scope, receive, send)

    assert world.answered("rest", "UploadImage", "INVALID_ARGUMENT") == 1


async def test_keys_are_documented_as_optional(rest: RestSkin) -> None:
    """The OpenAPI document names the key that a call may bring, and does not demand it: few gateways have keys."""
    document = (await rest.client.get("/openapi.json")).json()

    calls = [
        operation for path, item in document["paths"].items() if path.startswith("/v1/") for operation in item.values()
    ]
    assert [[{"HTTPBearer": []}, {}]] * len(calls) == [call["security"] for call in calls]
