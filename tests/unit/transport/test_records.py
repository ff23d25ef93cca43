"""What a call leaves in the log: one line, and nothing of what it carried."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from maskgate.domain.errors import BackendUnavailable
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Point
from maskgate.telemetry import CallMetrics
from maskgate.telemetry.facts import note_cache
from maskgate.transport.calls import Envelope
from maskgate.transport.records import Recorder
from tests.pictures import jpeg

if TYPE_CHECKING:
    from tests.unit.transport.skins import Skin
    from tests.unit.transport.world import World

PHOTO = jpeg()
TIERS = ("l1", "l2", "miss")


def lines_of(logs: list[Any], event: str) -> list[dict[str, Any]]:
    return [line for line in logs if line["event"] == event]


async def test_each_call_leaves_a_line(skin: Skin) -> None:
    """Protocol, method, code and time, whether it went well or not."""
    with capture_logs() as logs:
        await skin.upload(PHOTO)
        await skin.get(str(ImageId.of(b"none")))

    lines = lines_of(logs, "call")
    assert [("UploadImage", "OK"), ("GetImage", "NOT_FOUND")] == [(line["method"], line["code"]) for line in lines]
    assert all(line["protocol"] == skin.name and line["log_level"] == "info" and line["ms"] > 0 for line in lines)
    assert not any("trace_id" in line for line in lines)


async def test_no_line_holds_what_a_call_carried(skin: Skin, world: World) -> None:
    """Neither pixels nor prompts nor identifiers are logged, not even where the backend fails."""
    with capture_logs() as logs:
        image_id = (await skin.upload(PHOTO)).payload["image_id"]
        await skin.segment(image_id, Point(12.625, 7.375))
        world.backend.decode_error = BackendUnavailable("Triton is away.")
        await skin.segment(image_id, Point(12.625, 7.375), model="")
        await skin.upload(b"\xff\xd8secretsecret")

    said = json.dumps(logs, default=str)
    assert len(lines_of(logs, "call")) == 4
    assert len(lines_of(logs, "call.unavailable")) == 1
    assert not any(text in said for text in (image_id, "12.625", "7.375", "secretsecret", "JFIF"))
    assert max(len(str(value)) for line in logs for value in line.values()) < 200


@pytest.mark.parametrize("tier", ["l1", "l2", "miss"])
def test_clicks_are_timed_by_tier(tier: str) -> None:
    """A click that was answered counts where its embedding was; one that failed, or another call, nowhere."""
    registry = CollectorRegistry()
    recorder = Recorder(CallMetrics(registry))
    for method, error in (("Segment", None), ("Segment", BackendUnavailable("away")), ("EncodeImages", None)):
        with suppress(BackendUnavailable), recorder.call("grpc", method, parent={}):
            note_cache(tier)
            if error:
                raise error

    counted = {it: registry.get_sample_value("maskgate_click_duration_seconds_count", {"tier": it}) for it in TIERS}
    assert {**dict.fromkeys(TIERS, 0), tier: 1} == counted


def test_a_trace_of_a_client_is_bounded() -> None:
    """What is too long to be handed on is left out, and the rest is read."""
    headers = {"traceparent": "00-a-b-01", "tracestate": "x" * 513, "authorization": "Bearer key"}

    assert Envelope.of(headers, deadline=2) == Envelope("Bearer key", 2, {"traceparent": "00-a-b-01"})
    assert Envelope.of({}) == Envelope()
