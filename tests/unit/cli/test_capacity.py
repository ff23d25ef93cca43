from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from maskgate.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SMALL = ("--set", "demand.images_per_day=200000", "--set", "caches.redis_bytes=40e9")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["capacity", *map(str, arguments)])


def test_the_plan_is_a_page() -> None:
    """Each tier has its line with replicas and waits, and then come memory, network and cost."""
    lines = run(*SMALL).output.splitlines()

    assert "200,000 images a day, 10,000,000 clicks; at the peak 4 and 208 a second" == lines[0]
    assert {"gateways", "decoders", "encoders", "GPUs, cores", "Redis memory", "network", "a million segments"} <= {
        line[:24].split("  ")[0] for line in lines
    }


def test_the_plan_is_json() -> None:
    """The same as JSON, in base units, for programs."""
    told = json.loads(run(*SMALL, "--json").output)

    assert 208.33 == pytest.approx(told["clicks_per_second"], abs=0.01)
    assert 1 == pytest.approx(
        told["l1_hit_ratio"] + told["redis_hit_ratio"] + told["encodes_per_second"] / told["clicks_per_second"]
    )
    assert {"gateways", "decoders", "encoders"} == set(told["tiers"])
    assert told["gpus"] == told["tiers"]["encoders"]["replicas"]
    assert 24 == len(told["hours"])
    assert told["tiers"]["gateways"]["replicas"] == max(hour["gateways"] for hour in told["hours"])


def test_a_file_is_read_and_the_command_line_wins(tmp_path: Path) -> None:
    """What the file says counts, unless --set says otherwise."""
    path = tmp_path / "mine.toml"
    path.write_text("[demand]\nimages_per_day = 400_000\nclicks_per_image = 10\n")

    said = run(path, "--set", "demand.images_per_day=200000").output

    assert said.startswith("200,000 images a day, 2,000,000 clicks")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "demand.zipf"), "'demand.zipf' is not SECTION.KEY=VALUE"),
        (("--set", "demand.zipf=steep"), "is not SECTION.KEY=VALUE"),
        (("--set", "zipf=1"), "there is no section 'zipf'"),
        (("--set", "demand.zipf=-1"), "'demand.zipf' is -1; it is at least 0, at most 3"),
        (("nowhere.toml",), "does not exist"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], said: str) -> None:
    """What cannot be read is named, with status 2."""
    result = run(*arguments)

    assert 2 == result.exit_code
    assert said in result.output


@pytest.mark.parametrize("text", [b"demand = [", b"\xff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: bytes) -> None:
    """A file of another kind is refused with its name."""
    path = tmp_path / "mine.toml"
    path.write_bytes(text)

    assert "mine.toml' is no TOML" in run(path).output
