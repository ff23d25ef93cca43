from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest

from benchmarks.measuring import (
    WARM_UPS,
    Bound,
    Ratio,
    describe_cpu,
    in_milliseconds,
    medians,
    table,
    take_turns,
    write_results,
)
from benchmarks.processes import peak_memory

if TYPE_CHECKING:
    from pathlib import Path

CPUINFO = """processor\t: 0
model name\t: Fast CPU @ 2.60GHz
flags\t\t: fpu avx2 avx512f amx_tile amx_bf16

processor\t: 1
model name\t: Fast CPU @ 2.60GHz
flags\t\t: fpu avx2 avx512f amx_tile amx_bf16
"""


@pytest.mark.parametrize("lead_in", [0, 1])
def test_contenders_take_turns(lead_in: int) -> None:
    """Each works once a round, in order, after a warm-up and what leads its turn in, which are not counted."""
    order: list[str] = []
    ticks = count()

    seconds = take_turns(
        {name: lambda name=name: order.append(name) for name in "ab"},  # type: ignore[misc]
        2,
        lead_in=lead_in,
        clock=lambda: float(next(ticks)),
        pause=lambda: order.append("-"),
    )

    assert ["-", *"a" * (lead_in + 1), "-", *"b" * (lead_in + 1)] * (WARM_UPS + 2) == order
    assert {"a": [1.0, 1.0], "b": [1.0, 1.0]} == seconds


def test_a_median_is_not_moved_by_one_slow_round() -> None:
    """What disturbed the machine once does not count."""
    assert {"one": 2.0, "other": 1.5} == medians({"one": [2.0, 1.0, 90.0], "other": [1.0, 2.0]})


def test_times_are_told_in_milliseconds() -> None:
    """The JSON file also tells how far the rounds lie apart."""
    expected = {"median_ms": 2.5, "best_ms": 1.0, "worst_ms": 4.0, "rounds": 2}

    assert {"one": expected} == in_milliseconds({"one": [0.001, 0.004]})


@pytest.mark.parametrize(
    ("bound", "value", "verdict"),
    [
        (Bound(7.0), 7.0, "pass (at least 7)"),
        (Bound(7.0), 6.99, "MISS (at least 7)"),
        (Bound(1.15, at_least=False), 1.15, "pass (at most 1.15)"),
        (Bound(1.15, at_least=False), 1.16, "MISS (at most 1.15)"),
        (None, 5.0, "no bound"),
    ],
)
def test_a_ratio_passes_or_misses(bound: Bound | None, value: float, verdict: str) -> None:
    """The bound itself is good enough, from either side."""
    assert verdict == Ratio("ours", value, bound).verdict


def test_a_ratio_is_documented_with_its_bound() -> None:
    """A reader of the JSON file sees whether it was met."""
    assert {"ratio": 2.988, "bound": "at least 3", "met": False} == Ratio("ours", 2.98765, Bound(3.0)).document()
    assert {"ratio": 2.0} == Ratio("ours", 2.0).document()


def test_the_table_names_what_was_missed() -> None:
    """A stranger sees times with their unit, and verdicts."""
    written = table("One photo", {"ours": 0.1234}, [Ratio("reference / ours", 2.0, Bound(3.0))])

    title, time, *_ = written.splitlines()
    assert title == "One photo"
    assert ["ours", "123.4", "ms"] == time.split()
    assert "2.00 x   MISS (at least 3)" in written


def test_results_are_written_with_their_folder(tmp_path: Path) -> None:
    """The file is JSON, and ends as text files do."""
    path = tmp_path / "results" / "one.json"

    write_results({"machine": {"cpu": "Fast CPU @ 2.60GHz", "cores": 2}, "ratios": ["reference / service"]}, path)

    assert {"cpu": "Fast CPU @ 2.60GHz", "cores": 2} == json.loads(path.read_text())["machine"]
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize(
    "document",
    [
        {"model": "/srv/model.onnx"},
        {"nested": [{"model": "from /srv/models"}]},
        {"~/models": 1},
        {"model": "file=C:\\models"},
    ],
)
def test_results_hold_no_path_of_this_machine(document: dict[str, object], tmp_path: Path) -> None:
    """They are published, and a path tells about whoever measured."""
    with pytest.raises(ValueError, match="paths of this machine"):
        write_results(document, tmp_path / "one.json")

    assert not list(tmp_path.iterdir())


def test_a_cpu_is_described_by_what_makes_it_fast() -> None:
    """Of hundreds of flags those are told that decide about matrix products."""
    expected = {"cpu": "Fast CPU @ 2.60GHz", "flags": ["avx2", "avx512f", "amx_tile", "amx_bf16"]}

    assert expected == describe_cpu(CPUINFO)


def test_peak_memory_is_told_by_model(tmp_path: Path) -> None:
    """Of several instances of a model the largest counts; another server's are left out."""
    stub = "stub\0/run/models/{model}/1/model.plan\0"
    _process(tmp_path, 7, "tritonserver", parent=1, peak_kib=102_400)
    _process(tmp_path, 8, stub.format(model="b_encoder"), parent=7, peak_kib=409_600)
    _process(tmp_path, 9, stub.format(model="b_decoder"), parent=7, peak_kib=204_800)
    _process(tmp_path, 10, stub.format(model="b_decoder"), parent=7, peak_kib=307_200)
    _process(tmp_path, 11, stub.format(model="b_encoder"), parent=1, peak_kib=999_999)

    assert {"b_decoder": 300, "b_encoder": 400, "tritonserver": 100} == peak_memory(7, tmp_path)


def _process(folder: Path, number: int, command: str, *, parent: int, peak_kib: int) -> None:
    process = folder / str(number)
    process.mkdir()
    (process / "cmdline").write_text(command)
    (process / "status").write_text(f"Name:\tany\nPPid:\t{parent}\nVmHWM:\t  {peak_kib} kB\n")
