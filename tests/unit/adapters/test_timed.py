from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from maskgate.adapters.timed import TimedDecoder, TimedOffload
from maskgate.domain.errors import InvalidImage
from maskgate.domain.image import ImageId
from maskgate.telemetry import ImageMetrics, RenderMetrics
from tests.fakes import FakeDecoder, inline


async def test_reading_files_is_timed_by_what_for() -> None:
    """An upload's check and the encoder's input are told apart; both are exposed from the start."""
    registry = CollectorRegistry()
    decoder = TimedDecoder(FakeDecoder(), seconds=ImageMetrics(registry).seconds)
    name = "maskgate_image_decode_duration_seconds_count"
    before = [registry.get_sample_value(name, {"purpose": purpose}) for purpose in ("inspect", "prepare")]

    await decoder.inspect(ImageId.of(b"photo"), b"photo")
    await decoder.prepare(b"photo", side=64)
    await decoder.prepare(b"photo", side=64)

    after = [registry.get_sample_value(name, {"purpose": purpose}) for purpose in ("inspect", "prepare")]
    assert [0, 0] == before
    assert [1, 2] == after


async def test_computations_are_timed_and_fail_as_they_did() -> None:
    """A computation that fails was work, too, and still fails."""
    registry = CollectorRegistry()
    offload = TimedOffload(inline, seconds=RenderMetrics(registry).seconds)

    def fail() -> None:
        raise InvalidImage("no")

    assert await offload(lambda: 7) == 7
    with pytest.raises(InvalidImage):
        await offload(fail)

    assert registry.get_sample_value("maskgate_postprocess_duration_seconds_count") == 2
