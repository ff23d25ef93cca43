from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks import workers
from benchmarks.__main__ import ratios_of
from benchmarks.clients import PROTOCOLS, Clicked
from benchmarks.measuring import Bound, Ratio
from benchmarks.peers.decoders import Order
from benchmarks.peers.servers import COMMANDS
from benchmarks.service import Decodes
from benchmarks.throughput import PEERS, Contender, Measured

if TYPE_CHECKING:
    import pytest

METRICS = """# TYPE maskgate_inference_duration_seconds histogram
maskgate_inference_duration_seconds_count{{model="vit_b",stage="decode"}} {clicks}
maskgate_inference_duration_seconds_count{{model="vit_b",stage="encode"}} 8.0
# TYPE maskgate_inference_sent_bytes counter
maskgate_inference_sent_bytes_total{{stage="decode",way="shared"}} {shared}
maskgate_inference_sent_bytes_total{{stage="decode",way="inline"}} {inline}
maskgate_inference_sent_bytes_total{{stage="encode",way="inline"}} 9e6
"""


def test_bytes_of_a_click_are_counted_over_both_ways() -> None:
    """What went before, and what encodes have sent, does not count."""
    before = Decodes.parse(METRICS.format(clicks=2.0, shared=1000.0, inline=2e6))
    after = Decodes.parse(METRICS.format(clicks=12.0, shared=6000.0, inline=2e6))

    assert 500.0 == after.each_since(before)


def test_an_order_survives_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer's processes get what was ordered."""
    order = Order("onnx", 2, "models")
    for name, value in order.environment().items():
        monkeypatch.setenv(name, value)

    assert order == Order.from_environment()


def test_every_peer_can_be_started_and_asked() -> None:
    """No name of a framework is misspelt."""
    frameworks = {framework for framework, _ in PEERS.values()}

    assert frameworks == set(COMMANDS)
    assert frameworks < set(PROTOCOLS)


def test_two_workers_are_held_against_one() -> None:
    """The ratio is that of the median rates, whatever one turn came to."""
    turns = {
        "one worker": [Clicked((0.1,) * 40, 4.0)] * 3,
        "2 workers": [Clicked((0.1,) * 60, 4.0), Clicked((0.1,) * 60, 4.0), Clicked((0.1,) * 4, 4.0)],
    }
    measured = {name: Measured(Contender(name, "", "grpc", "127.0.0.1:1", ("0",)), of) for name, of in turns.items()}

    document = workers.document_of(measured, workers.ratio_of(measured))

    assert {"prompts a second, two workers / one": {"ratio": 1.5}} == document["ratios"]


def test_a_contender_is_told_by_the_median_of_its_turns_and_by_all_its_clicks() -> None:
    """One turn that was disturbed does not count; a slow click does."""
    turns = [Clicked((0.1,) * 40, 4.0), Clicked((0.1,) * 40, 4.0), Clicked((2.0,) * 8, 4.0)]
    measured = Measured(Contender("LitServe", "workers: 2", "litserve", "127.0.0.1:1", ("0",)), turns).document()

    assert 10.0 == measured["prompts_per_second"]
    assert 100.0 == measured["p50_ms"]
    assert 2000.0 == measured["p95_ms"]


def test_an_amount_is_written_with_its_unit() -> None:
    """Milliseconds are not called a ratio."""
    figure = Ratio("overhead", 1.5, Bound(2.0, at_least=False), "ms")

    assert {"ms": 1.5, "bound": "at most 2", "met": True} == figure.document()
    assert "1.50 ms  pass (at most 2)" in str(figure)


def test_bounds_are_found_in_any_results_file() -> None:
    """Each is told with its place in the file; ratios without a bound are left out."""
    document = {"models": {"vit_b": {"ratios": {"a / b": {"ratio": 3.2, "bound": "at least 3", "met": True}}}}}
    text = json.loads(json.dumps({**document, "ratios": {"b / c": {"ratio": 2.0}}}))

    (line,) = ratios_of(text)

    assert ["models", "vit_b", "a", "/", "b", "3.2", "pass", "(at", "least", "3)"] == line.split()
