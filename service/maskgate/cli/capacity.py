"""`maskgate capacity`: what a load needs and costs, by the formulas of docs/capacity.md."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskgate.capacity import BadScenario, Plan, plan, read_scenario

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskgate.capacity import Hour, Scenario, Tier

_GB = 1e9
_GIB = 2.0**30


@click.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Changes one number; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Prints the plan as JSON, in base units.")
def capacity(*, scenario: Path | None, changes: tuple[str, ...], as_json: bool) -> None:
    """Work out replicas, GPUs, memory, network and cost for a load.

    SCENARIO is a TOML file. What it does not say stays at its default: a day of ten million images and half a billion
    clicks. Nothing is measured and nothing is asked.
    """
    try:
        planned = plan(_scenario(scenario, changes))
    except BadScenario as error:
        raise click.UsageError(str(error)) from error
    click.echo(json.dumps(_document(planned), indent=2) if as_json else "\n".join(_lines(planned)))


def _scenario(path: Path | None, changes: Iterable[str]) -> Scenario:
    try:
        read = read_scenario({} if path is None else tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"'{path}' is no TOML: {error}") from error
    for change in changes:
        read = read_scenario(_section(change), scenario=read)
    return read


def _section(change: str) -> dict[str, dict[str, float]]:
    name, _, value = change.partition("=")
    section, _, key = name.partition(".")
    try:
        return {section: {key: float(value)}}
    except ValueError as error:
        raise click.UsageError(f"'{change}' is not SECTION.KEY=VALUE, with a number") from error


def _lines(planned: Plan) -> Iterable[str]:
    demand, peak = planned.scenario.demand, planned.peak
    yield (
        f"{demand.images_per_day:,.0f} images a day, {demand.images_per_day * demand.clicks_per_image:,.0f} clicks; "
        f"at the peak {peak.factor * demand.births:,.0f} and {peak.embeddings.clicks:,.0f} a second"
    )
    yield ""
    wait = f"p{100 * planned.scenario.targets.share:g} wait"
    yield f"{'at the peak':<12}{'replicas':>9}{'least':>7}{'busy':>6}{wait:>13}"
    yield from (_tier_line(name, tier) for name, tier in _tiers(planned.peak).items())
    yield ""
    yield from (f"{name:<24}{value}" for name, value in _needs(planned).items())
    yield ""
    yield f"{'cost of a day':<24}{'at the peak all day':>20}{'following the hours':>21}"
    steady, scaling = planned.cost_of_day(scales=False), planned.cost_of_day(scales=True)
    yield from (f"{name:<24}{steady[name]:>20,.0f}{scaling[name]:>21,.0f}" for name in steady)
    million = [planned.cost_per_million(scales=scales) for scales in (False, True)]
    yield f"{'a million segments':<24}{million[0]:>20,.2f}{million[1]:>21,.2f}"


def _tiers(hour: Hour) -> dict[str, Tier]:
    return {"gateways": hour.gateways, "decoders": hour.decoders, "encoders": hour.encoders}


def _tier_line(name: str, tier: Tier) -> str:
    return f"{name:<12}{tier.replicas:>9,}{tier.least:>7,}{tier.utilisation:>6.0%}{1e3 * tier.wait:>10,.1f} ms"


def _needs(planned: Plan) -> dict[str, str]:
    found, work = planned.peak.embeddings, planned.peak.embeddings.clicks
    return {
        "GPUs, cores": f"{planned.gpus:,.0f}, {planned.cores:,.0f}",
        "embeddings found": f"{found.from_l1 / work:.1%} in L1, {found.from_redis / work:.1%} in Redis",
        "encodes": f"{found.encodes:,.0f} a second; {found.encodes_alone:,.0f} without Redis, "
        f"{planned.encoders_without_redis:.1f} times what the encoders can do",
        "Redis memory": f"{found.redis_bytes / _GIB:,.0f} GiB, masks {found.of_masks / _GIB:,.0f} of them; "
        f"kept for {found.redis_seconds:,.0f} s, in L1 for {found.l1_seconds:,.0f} s",
        "network": f"Redis {planned.redis_network / _GB:.2f}, encoders {planned.encoder_network / _GB:.2f}, "
        f"clients {planned.client_network / _GB:.2f} GB/s",
    }


def _document(planned: Plan) -> dict[str, Any]:
    found = planned.peak.embeddings
    return {
        "clicks_per_second": found.clicks,
        "tiers": {name: _tier_document(tier) for name, tier in _tiers(planned.peak).items()},
        "hours": [_hour_document(hour) for hour in planned.day],
        "gpus": planned.gpus,
        "cores": planned.cores,
        "l1_hit_ratio": found.from_l1 / found.clicks,
        "redis_hit_ratio": found.from_redis / found.clicks,
        "encodes_per_second": found.encodes,
        "encodes_per_second_without_redis": found.encodes_alone,
        "encoders_busy_without_redis": planned.encoders_without_redis,
        "redis_bytes": found.redis_bytes,
        "redis_mask_bytes": found.of_masks,
        "redis_bytes_per_second": planned.redis_network,
        "encoder_bytes_per_second": planned.encoder_network,
        "client_bytes_per_second": planned.client_network,
        "cost_per_day": {"peak": planned.cost_of_day(scales=False), "scaling": planned.cost_of_day(scales=True)},
        "cost_per_million": {
            "peak": planned.cost_per_million(scales=False),
            "scaling": planned.cost_per_million(scales=True),
        },
    }


def _hour_document(hour: Hour) -> dict[str, float]:
    return {"factor": hour.factor, **{name: tier.replicas for name, tier in _tiers(hour).items()}}


def _tier_document(tier: Tier) -> dict[str, float]:
    return {
        "replicas": tier.replicas,
        "least": tier.least,
        "utilisation": tier.utilisation,
        "wait_seconds": tier.wait,
        "arrivals_per_second": tier.load.rate,
    }
