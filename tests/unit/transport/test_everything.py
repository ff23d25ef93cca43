"""Everything in an image, over both protocols."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import BaseModel

from maskgate.domain.errors import BackendUnavailable, DeadlineExceeded, Overloaded
from maskgate.domain.generation.query import GenerationQuery
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Point
from maskgate.transport.generations import CountedGenerations
from maskgate.transport.rest.streaming import SSE, EventStream
from tests import virtual_time
from tests.fakes import CALL, IOUS, SPEC, BusyThreads
from tests.pictures import png
from tests.unit.transport.generations import generate, request_of
from tests.unit.transport.skins import SKINS, open_grpc, open_rest
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from maskgate.transport.rest.streaming import Events
    from tests.unit.transport.skins import RestSkin, Skin

PHOTO = png(40, 30)
IMAGE = str(ImageId.of(PHOTO))
GRID = {"points_per_side": 3}
LOW = {"pred_iou_thresh": 0.4, "box_nms_thresh": 1.0}


class Seen(BaseModel):
    """An event."""

    seen: int


@pytest.fixture
async def kept(skin: Skin) -> Skin:
    await skin.upload(PHOTO)
    return skin


async def test_a_generation_tells_what_it_does(kept: Skin) -> None:
    """Progress after each batch, then the masks, then the summary; of duplicates one stays."""
    told = await generate(kept, IMAGE, **GRID)

    assert ["progress"] * 3 + ["mask", "summary"] == [name for name, _ in told.events]
    assert [4, 8, 9] == [event["prompts_done"] for event in told.of("progress")]
    assert {"prompts_done": 9, "prompts_total": 9, "candidates": 9} == told.of("progress")[-1]
    (found,) = told.of("mask")
    assert "0.0.2" == found["id"]
    assert {"x": pytest.approx(40 / 6), "y": pytest.approx(5), "label": 1} == found["point"]
    assert {"x1": 0, "y1": 0, "x2": 40, "y2": 30} == found["crop_box"]
    assert 2 == found["mask"]["token"]
    assert pytest.approx(IOUS[2]) == found["mask"]["predicted_iou"]
    assert (
        pytest.approx(28 / 29) == found["mask"]["stability_score"]
    )  # the mask is a row short, and its edge a logit wide
    assert [30, 40] == found["mask"]["rle"]["size"]
    (summary,) = told.of("summary")
    assert (1, 40, 30, SPEC.name) == tuple(summary[name] for name in ("masks", "width", "height", "model"))
    assert "miss" == summary["timing"]["cache_tier"]


async def test_parameters_reach_the_search(kept: Skin, world: World) -> None:
    """Grids of one's own, thresholds, batches and forms are those that were asked for."""
    grids = [{"xy": [0.0, 0.0, 0.5, 1.0, 0.25, 0.75]}]

    told = await generate(kept, IMAGE, point_grids=grids, points_per_batch=2, output={"formats": ["png"]}, **LOW)

    assert [2, 1] == world.backend.together
    assert [[0, 0], [32, 48], [16, 36]] == [asked.slots.coords[0].tolist() for asked in world.backend.decodes]
    assert 9 == len(told.of("mask"))
    assert all(found["mask"]["png"] and not found["mask"]["rle"] for found in told.of("mask"))


async def test_crops_are_looked_at(kept: Skin, world: World) -> None:
    """Each crop of a layer is encoded by itself, and the smallest come first."""
    told = await generate(kept, IMAGE, points_per_side=1, crop_n_layers=1)

    assert 5 == world.backend.encodes
    assert 5 == told.of("summary")[0]["masks"] + len(told.of("progress")) - len(told.of("mask"))
    crops = [found["crop_box"] for found in told.of("mask")]
    assert crops
    assert [1, 2, 3, 4, 5] == [event["prompts_done"] for event in told.of("progress")]


async def test_masks_are_told_as_they_are_found(kept: Skin, world: World) -> None:
    """If asked for, a mask comes with its batch, and is withdrawn for a better one that comes later."""
    logits = np.full((4, 32, 32), 2, np.float16)
    world.backend.logits = logits

    told = await generate(kept, IMAGE, delivery="as_found", points_per_batch=1, points_per_side=2, pred_iou_thresh=0.4)

    names = [name for name, _ in told.events]
    assert ["progress", "mask", *["progress"] * 3, "summary"] == names


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"points_per_side": 0}, "points_per_side"),
        ({"points_per_side": 129}, "points_per_side"),
        ({"pred_iou_thresh": 1.5}, "pred_iou_thresh"),
        ({"stability_score_thresh": -0.1}, "stability_score_thresh"),
        ({"stability_score_offset": 101.0}, "stability_score_offset"),
        ({"box_nms_thresh": 2.0}, "box_nms_thresh"),
        ({"crop_n_layers": 4}, "crop_n_layers"),
        ({"crop_nms_thresh": -1.0}, "crop_nms_thresh"),
        ({"crop_overlap_ratio": 1.0}, "crop_overlap_ratio"),
        ({"crop_n_points_downscale_factor": 0}, "crop_n_points_downscale_factor"),
        ({"crop_n_layers": 2, "crop_n_points_downscale_factor": 9}, "crop_n_points_downscale_factor"),
        ({"min_mask_region_area": -1}, "min_mask_region_area"),
        ({"points_per_batch": 0}, "points_per_batch"),
        ({"points_per_side": 2, "point_grids": [{"xy": [0.5, 0.5]}]}, "point_grids"),
        ({"crop_n_layers": 1, "point_grids": [{"xy": [0.5, 0.5]}]}, "point_grids"),
        ({"point_grids": [{"xy": [0.5]}]}, "point_grids[0]"),
        ({"point_grids": [{"xy": []}]}, "point_grids[0]"),
        ({"point_grids": [{"xy": [0.5, 1.5]}]}, "point_grids[0]"),
    ],
)
async def test_parameters_that_make_no_sense(kept: Skin, world: World, fields: dict[str, Any], field: str) -> None:
    """They are refused before anything is decoded, with the name of the parameter."""
    told = await generate(kept, IMAGE, **fields)

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == told.refusal
    assert field == told.metadata["field"]
    assert not world.backend.encodes


async def test_too_many_points(kept: Skin) -> None:
    """A server does only so much for one call."""
    told = await generate(kept, IMAGE, points_per_side=128, crop_n_layers=1)

    assert ("INVALID_ARGUMENT", {"prompts": "81920", "limit": "16384"}) == (told.code, told.metadata)


async def test_images_and_models_that_are_not_there(kept: Skin) -> None:
    """They are refused as for a prompt."""
    image = await generate(kept, str(ImageId.of(b"another")))
    model = await generate(kept, IMAGE, model="huge")

    assert ("NOT_FOUND", "IMAGE_NOT_FOUND") == image.refusal
    assert ("NOT_FOUND", "MODEL_NOT_FOUND") == model.refusal


@pytest.mark.parametrize("error", [BackendUnavailable("Away."), Overloaded("Busy.")])
async def test_failures_on_the_way(kept: Skin, world: World, error: Exception) -> None:
    """What was told before a failure stays told, and the failure is the last that is heard."""
    decode = world.backend.decode_many

    async def fails_at_the_second(*args: Any, **options: Any) -> Any:  # noqa: ANN401
        if world.backend.together:
            raise error
        return await decode(*args, **options)

    world.backend.decode_many = fails_at_the_second  # type: ignore[method-assign]

    told = await generate(kept, IMAGE, **GRID)

    assert ["progress"] == [name for name, _ in told.events]
    assert type(error).reason == told.reason  # type: ignore[attr-defined]
    assert 1 == world.answered(kept.name, "GenerateMasks", told.code)


async def test_a_deadline_on_the_way(kept: Skin, world: World) -> None:
    """A generation ends with its deadline."""
    world.backend.gate.clear()

    told = await generate(kept, IMAGE, timeout=0.2, **GRID)

    assert "DEADLINE_EXCEEDED" == told.code


async def test_a_client_that_leaves_ends_the_work() -> None:
    """Cancelled over gRPC, nothing more is decoded and the embedding is released."""
    world = World()
    async with open_grpc(world) as skin:
        await skin.upload(PHOTO)
        method: Any = skin.channel.unary_stream("/maskgate.v1.GenerationService/GenerateMasks")
        call = method(request_of(IMAGE, points_per_side=64).SerializeToString())
        await call.read()

        call.cancel()
        await _until(lambda: world.answered("grpc", "GenerateMasks", "CANCELLED"))

    assert len(world.backend.decodes) < 1000


async def _until(happened: Any) -> None:  # noqa: ANN401 - a function
    async with asyncio.timeout(5):
        while not happened():  # noqa: ASYNC110 - a counter sets no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("protocol", SKINS)
async def test_clicks_do_not_wait_for_generations(protocol: str) -> None:
    """While generations have all of their threads at work, however long, a click is answered."""
    threads = BusyThreads()
    async with SKINS[protocol](World(generating=threads)) as skin:
        await skin.upload(PHOTO)
        generating = asyncio.ensure_future(generate(skin, IMAGE, **GRID))
        await threads.taken.wait()

        answer = await skin.segment(IMAGE, Point(1, 2))

        assert ("OK", False) == (answer.code, generating.done())
        threads.released.set()
        assert "summary" == (await generating).events[-1][0]


async def test_a_browser_that_leaves_ends_the_work(world: World) -> None:
    """Over HTTP a connection that is closed ends it."""
    async with open_rest(world) as skin:
        await skin.upload(PHOTO)
        app = skin.app
        left, sent = asyncio.Event(), []
        body = [{"type": "http.request", "body": b'{"points_per_side": 64}', "more_body": False}]

        async def receive() -> dict[str, Any]:
            if body:
                return body.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
            sent.append(message)
            left.set()

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "method": "POST",
            "path": f"/v1/images/{IMAGE}:generate",
            "headers": [],
            "query_string": b"",
            "raw_path": b"",
            "root_path": "",
        }
        await asyncio.wait_for(app(scope, receive, send), 5)

    assert 1 == world.answered("rest", "GenerateMasks", "CANCELLED")
    assert len(world.backend.decodes) < 1000


async def test_server_sent_events(rest: RestSkin) -> None:
    """Who reads server-sent events gets the same ones by their names."""
    await rest.upload(PHOTO)

    response = await rest.client.post(
        f"/v1/images/{IMAGE}:generate", json=GRID, headers={"Accept": "text/event-stream"}
    )

    assert response.headers["content-type"] == "text/event-stream"
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in response.text.strip().split("\n\n")]
    assert ["progress"] * 3 + ["mask", "summary"] == [block["event"] for block in blocks]
    assert all({block["event"], "cursor"} == set(json.loads(block["data"])) for block in blocks)
    assert [json.loads(block["data"])["cursor"] for block in blocks] == [block["id"] for block in blocks]


async def test_clients_of_server_sent_events_go_on_by_themselves(rest: RestSkin) -> None:
    """The id of the last event that was seen is as good as the cursor."""
    await rest.upload(PHOTO)
    whole = await generate(rest, IMAGE, **GRID)

    response = await rest.client.post(
        f"/v1/images/{IMAGE}:generate", json=GRID, headers={"Last-Event-ID": whole.cursors[2]}
    )

    assert whole.cursors[3:] == [json.loads(line)["cursor"] for line in response.text.splitlines()]


async def test_an_error_leaves_the_place_to_go_on_from() -> None:
    """Of server-sent events the last one with an id says where to go on; the error that ends them has none."""
    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
        sent.append(message)

    async def never() -> Any:  # noqa: ANN401 - an ASGI message
        await asyncio.Event().wait()

    async def serve(events: Events) -> None:
        await events.tell("progress", Seen(seen=7), id_="v1.0.7")
        raise BackendUnavailable("Triton has gone.")

    await EventStream(serve, media_type=SSE)({}, never, send)

    first, last = [message["body"].decode() for message in sent if message.get("body")]
    assert first.endswith("id: v1.0.7\n\n")
    assert last.startswith("event: error")
    assert "id:" not in last.replace('"', "")


@pytest.mark.parametrize("error", [None, DeadlineExceeded("Too late.")])
def test_a_client_that_reads_nothing_does_not_keep_an_answer_open(error: Exception | None) -> None:
    """When the call is over, its end is written soon or not at all."""

    async def never(_message: Any = None) -> Any:  # noqa: ANN401 - an ASGI message
        await asyncio.Event().wait()

    async def serve(events: Events) -> None:
        events.started = True
        if error is not None:
            raise error

    async def answered() -> None:
        await asyncio.wait_for(EventStream(serve, media_type=SSE)({}, never, never), 60)

    virtual_time.run(answered())


@pytest.mark.parametrize("beyond", [0, 1, 10**8])
async def test_a_cursor_at_the_end(kept: Skin, beyond: int) -> None:
    """Who asks after the last event, or after one that there is not, is told the summary: the end is never nothing."""
    whole = await generate(kept, IMAGE, **GRID)
    begin, _, told = whole.cursors[-1].rpartition(".")

    rest = await generate(kept, IMAGE, **GRID, cursor=f"{begin}.{int(told) + beyond}")

    assert ("OK", ["summary"]) == (rest.code, [name for name, _ in rest.events])


async def test_an_interrupted_generation_goes_on(kept: Skin, world: World) -> None:
    """With the last cursor come the events that are missing, and points that were decoded are not decoded again."""
    whole = await generate(kept, IMAGE, **GRID)
    world.backend.decodes.clear()

    rest = await generate(kept, IMAGE, **GRID, cursor=whole.cursors[2])

    assert ["mask", "summary"] == [name for name, _ in rest.events]
    assert whole.cursors[3:] == rest.cursors
    assert whole.of("mask") == rest.of("mask")
    assert 1 == len(world.backend.decodes)


@pytest.mark.parametrize(
    "change", [{"points_per_side": 4}, {"delivery": "as_found"}, {"crop_n_layers": 1}, {"points_per_batch": 1}]
)
async def test_cursors_of_other_requests(kept: Skin, change: dict[str, Any]) -> None:
    """A cursor is good for the request that it came with."""
    cursor = (await generate(kept, IMAGE, **GRID)).cursors[0]

    told = await generate(kept, IMAGE, **{**GRID, **change}, cursor=cursor)

    assert ("INVALID_ARGUMENT", "INVALID_CURSOR") == told.refusal


@pytest.mark.parametrize("cursor", ["x", "v2.0123456789abcdef.3", "v1.1.1", "v2.0123456789abcdef.-1"])
async def test_cursors_that_are_none(kept: Skin, cursor: str) -> None:
    """Other texts are refused."""
    told = await generate(kept, IMAGE, cursor=cursor)

    assert ("INVALID_ARGUMENT", "INVALID_CURSOR") == told.refusal


async def test_generations_are_counted(world: World) -> None:
    """Points, candidates and masks are counted, those of a generation that ended."""
    async with open_rest(world) as skin:
        await skin.upload(PHOTO)
    counted = CountedGenerations(world.usecases.generate_masks, metrics=world.metrics.generations)

    async with aclosing(counted(GenerationQuery(ImageId.parse(IMAGE)), call=CALL)) as events:
        told = [event async for event in events]

    names = ("prompts_total", "candidates_total", "masks_total", "duration_seconds_count")
    assert told
    assert [1024, 1024, 1, 1] == [world.registry.get_sample_value(f"maskgate_generation_{name}") for name in names]
