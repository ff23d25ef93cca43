"""The tiers' queries, by a real Prometheus on the real stack: they ask for what a load needs, and for nothing else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from maskgate.client import Client
from maskgate.domain.errors import EncoderStarting
from tests.e2e import photos
from tests.observability.autoscaler import Autoscaler, read_tiers
from tests.observability.load import click, people, upload
from tests.observability.prometheus import WINDOW_SECONDS, hurried
from tests.observability.split_stack import START_OF_ENCODER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maskgate.client import Image
    from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
    from tests.observability.prometheus import Prometheus
    from tests.observability.split_stack import SplitStack

pytestmark = pytest.mark.observability

TIERS = read_tiers()
CLICKING, ARRIVING = 40, 12
PATIENCE = 40.0


def values(watching: Prometheus) -> dict[str, float]:
    """Every signal's number now, as KEDA would get it."""
    signals = [signal for tier in TIERS.values() for signal in tier.signals]
    return {signal.name: watching.number(hurried(signal.query)) for signal in signals}


def asked_for(numbers: Mapping[str, float]) -> dict[str, int]:
    """How many replicas of each tier the numbers ask for, where there is one and one is the least."""
    return {name: max(1, tier.wanted(numbers, current=1)) for name, tier in TIERS.items()}


def seen(watching: Prometheus, condition: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """Look until what is asked for is as wanted, or patience ends; returns what was asked for last."""
    end = time.monotonic() + PATIENCE
    while True:
        numbers = values(watching)
        asked = asked_for(numbers)
        if condition(asked) or time.monotonic() > end:
            print(asked, {name: round(number, 2) for name, number in numbers.items()})  # noqa: T201 - with -s or -rP
            return asked
        time.sleep(1)


def is_idle(asked: Mapping[str, int]) -> bool:
    return set(asked.values()) == {1}


def test_nobody_is_asked_for_without_load(watching: Prometheus) -> None:
    """Each query finds one number where nobody asks anything, and the minimum is enough."""
    assert {"gateway": 1, "decoder": 1, "encoder": 1} == seen(watching, is_idle)


def test_clicks_ask_for_gateways(watching: Prometheus, stack: SplitStack) -> None:
    """Forty people who click on an image that is encoded need five gateways at eight calls each; no encoder more."""
    address = str(stack.gateway.grpc)
    with Client(address) as client:
        image = client.image(photos.fresh("cat"))
        image.encode()

    with people(address, CLICKING, lambda stub: click(stub, str(image.id))) as wrong:
        time.sleep(WINDOW_SECONDS)
        loaded = seen(watching, lambda asked: asked["gateway"] >= 4)
    unloaded = seen(watching, is_idle)

    assert [] == wrong
    assert 4 <= loaded["gateway"] <= 5
    assert 1 == loaded["encoder"]
    assert is_idle(unloaded)


def test_new_images_ask_for_encoders(watching: Prometheus, stack: SplitStack) -> None:
    """Twelve people, each of whose images is new, need three encoders at four images each; no gateway more."""

    async def arriving(stub: SegmentationServiceStub) -> None:
        await click(stub, await upload(stub))

    with people(str(stack.gateway.grpc), ARRIVING, arriving) as wrong:
        time.sleep(WINDOW_SECONDS)
        loaded = seen(watching, lambda asked: asked["encoder"] >= 3)
    unloaded = seen(watching, is_idle)

    assert [] == wrong
    assert loaded["encoder"] >= 3
    assert (1, 1) == (loaded["gateway"], loaded["decoder"])
    assert is_idle(unloaded)


def test_an_encoder_is_asked_for_from_zero(watching: Prometheus, stack: SplitStack) -> None:
    """While none runs, who has no time is told when to come again, and that starts one; who has waits for it."""
    hurried_client = Client(str(stack.gateway.grpc), attempts=1, timeout=2)
    with hurried_client, Client(str(stack.gateway.grpc), attempts=1) as client, ThreadPoolExecutor(1) as beside:
        known, new = client.image(photos.fresh("cat")), client.image(photos.fresh("cat"))
        click_on(known)
        stack.encoder.stop()
        encoders = Autoscaler(TIERS["encoder"], minimum=0, maximum=8, replicas=0)
        time.sleep(WINDOW_SECONDS)
        before = encoders.step(0, values(watching))
        with pytest.raises(EncoderStarting) as refused:
            click_on(hurried_client.image(new.id))
        over_rest = click_over_rest(str(stack.gateway.http), str(new.id), seconds=2)
        click_on(known)
        time.sleep(3)  # Prometheus looks once a second
        after = encoders.step(15, values(watching))
        patient = beside.submit(click_on, new)
        time.sleep(3)
        waiting = watching.number('maskgate_encodes_pending{release="maskgate"}')
        stack.encoder.start()
        masks = patient.result()

    assert (0, 1) == (before, after)
    assert 1 <= (refused.value.retry_after or 0) <= START_OF_ENCODER_SECONDS
    assert (503, "ENCODER_STARTING") == (over_rest.status_code, over_rest.json()["error"]["reason"])
    assert 1 <= int(over_rest.headers["Retry-After"]) <= START_OF_ENCODER_SECONDS
    assert (1, 1) == (waiting, masks)


def click_on(image: Image) -> int:
    """Click; returns how many masks there are."""
    return len(image.segment(points=[(160, 180)]).masks)


def click_over_rest(base: str, image_id: str, *, seconds: int) -> httpx.Response:
    return httpx.post(
        f"{base}/v1/images/{image_id}:segment",
        json={"points": [{"x": 160, "y": 180}]},
        headers={"Request-Timeout": str(seconds)},
        trust_env=False,
        timeout=30,
    )
