"""Writes Grafana's dashboards to helm/maskgate/files/dashboards/: python helm/generate_dashboards.py (make docs).

What is written here is what an operator asks; how Grafana wants to be told is the same for all of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "maskgate" / "files" / "dashboards"
HERE = '{release="$release"}'
_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 3
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A question and its answer.

    Attributes:
        title: The question.
        queries: Legend → PromQL.
        unit: Grafana's name of what is on the axis.
        about: What to make of it; begins with "Empty" if there may rightly be no data, and says where.
    """

    title: str
    queries: dict[str, str]
    unit: str = "short"
    about: str = ""


def rate(metric: str, labels: str = "", *, by: str = "") -> str:
    """Return the sum of the rates of a counter."""
    matchers = 'release="$release"' + (f",{labels}" if labels else "")
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{matchers}}}[$__rate_interval]))"


def total(metric: str, labels: str = "", *, by: str = "") -> str:
    """Return the sum of a gauge."""
    matchers = 'release="$release"' + (f",{labels}" if labels else "")
    return f"sum{f' by ({by})' if by else ''} ({metric}{{{matchers}}})"


def quantile(share: float, histogram: str, labels: str = "", *, by: str = "") -> str:
    """Return a quantile of a histogram."""
    buckets = rate(f"{histogram}_bucket", labels, by=f"le, {by}" if by else "le")
    return f"histogram_quantile({share}, {buckets})"


def share(part: str, whole: str) -> str:
    """Return a part of a whole, or of next to nothing where there is none."""
    return f"{part} / clamp_min({whole}, 1e-9)"


CLICKS, HIT = "maskgate_click_duration_seconds", 'tier=~"l1|l2"'
DECODER, ENCODER = 'model=~".+_decoder(_multi)?"', 'model=~".+_encoder"'
LOOKUPS, L1 = "maskgate_embedding_cache_lookups_total", 'tier="l1"'
ENCODES = rate("maskgate_inference_duration_seconds_count", 'stage="encode"')
ANSWERED = rate(f"{CLICKS}_count")
QUEUE, SUCCESS = "nv_inference_queue_duration_us", "nv_inference_request_success"
COUNT, EXECUTIONS, COMPUTE = "nv_inference_count", "nv_inference_exec_count", "nv_inference_compute_infer_duration_us"

DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "clicks": (
        "maskgate: the path of a click",
        (
            Panel("Calls by code", {"{{code}}": rate("maskgate_requests_total", by="code")}, "reqps"),
            Panel(
                "Clicks on encoded images",
                {f"p{round(100 * part)}": quantile(part, CLICKS, HIT) for part in (0.5, 0.95, 0.99)},
                "s",
                "The promise: 99 of 100 within 250 ms.",
            ),
            Panel(
                "Clicks by where their embedding was, p95",
                {"{{tier}}": quantile(0.95, CLICKS, by="tier")},
                "s",
                "l1: memory of the gateway, l2: Redis, miss: it had to be encoded.",
            ),
            Panel(
                "Clicks that were late or failed",
                {
                    "5 minutes": f"release:maskgate_clicks_bad:ratio_rate5m{HERE}",
                    "1 hour": f"release:maskgate_clicks_bad:ratio_rate1h{HERE}",
                    "1 day": f"release:maskgate_clicks_bad:ratio_rate1d{HERE}",
                },
                "percentunit",
                "Above 0.01 the budget shrinks (docs/runbooks/click-budget.md).",
            ),
            Panel(
                "At work",
                {
                    "calls": total("maskgate_requests_in_flight"),
                    "waiting for an embedding": total("maskgate_embeddings_awaited"),
                    "streams": total("maskgate_streams_open"),
                },
            ),
            Panel(
                "Refused places",
                {"{{tier}} {{reason}}": rate("maskgate_rejections_total", by="tier, reason")},
                "reqps",
                "Anything but 0: docs/runbooks/calls-are-refused.md.",
            ),
            Panel(
                "Where the time goes, p95",
                {
                    "wait for a place, {{tier}}": quantile(0.95, "maskgate_queue_seconds", by="tier"),
                    "pixels, {{purpose}}": quantile(0.95, "maskgate_image_decode_duration_seconds", by="purpose"),
                    "Triton, {{stage}}": quantile(0.95, "maskgate_inference_duration_seconds", by="stage"),
                    "masks": quantile(0.95, "maskgate_postprocess_duration_seconds"),
                },
                "s",
            ),
            Panel("Prompts of streams", {"{{result}}": rate("maskgate_stream_prompts_total", by="result")}, "reqps"),
            Panel(
                "Second attempts and failures at Triton",
                {
                    "{{stage}} {{result}}": rate("maskgate_retries_total", by="stage, result"),
                    "{{stage}} {{reason}}": rate("maskgate_inference_errors_total", by="stage, reason"),
                },
                "reqps",
            ),
        ),
    ),
    "cache": (
        "maskgate: what is remembered",
        (
            Panel(
                "Prompts that find their embedding",
                {
                    "hits": f"1 - {share(ENCODES, rate(LOOKUPS, L1))}",
                    "of the last 15 minutes": f"release:maskgate_embedding_hits:ratio_rate15m{HERE}",
                },
                "percentunit",
                "One that does not is an encode, 1700 times the work of a prompt.",
            ),
            Panel("Lookups", {"{{tier}} {{result}}": rate(LOOKUPS, by="tier, result")}, "ops"),
            Panel(
                "Redis",
                {
                    "reached by the gateways": 'avg(maskgate_component_up{release="$release",component="redis"})',
                    "not written, {{tier}}": rate("maskgate_embedding_cache_write_errors_total", by="tier"),
                    "not asked, {{tier}}": rate(LOOKUPS, 'result="error"', by="tier"),
                },
            ),
            Panel("Slots of shared memory", {"{{state}}": total("maskgate_slab_slots", by="state")}),
            Panel(
                "Embeddings that made room",
                {
                    "evictions": rate("maskgate_slab_evictions_total"),
                    "fetched from Redis": rate(LOOKUPS, 'tier="l2",result="hit"'),
                },
                "ops",
                "Both high: docs/runbooks/slab-thrash.md.",
            ),
            Panel("L1", {"embeddings": total("maskgate_embedding_cache_bytes")}, "bytes"),
            Panel(
                "To Triton, by way",
                {"{{stage}} {{way}}": rate("maskgate_inference_sent_bytes_total", by="stage, way")},
                "Bps",
                "Decodes that go inline carry 2 MiB each: the slab is not shared with their Triton.",
            ),
            Panel(
                "One encode across gateways",
                {
                    "{{result}}": rate("maskgate_single_flight_waits_total", by="result"),
                    "mean wait, s": share(
                        rate("maskgate_single_flight_wait_seconds_sum"),
                        rate("maskgate_single_flight_wait_seconds_count"),
                    ),
                },
            ),
            Panel(
                "Masks by handle",
                {
                    "{{tier}} {{result}}": rate("maskgate_mask_handle_lookups_total", by="tier, result"),
                    "not shared": rate("maskgate_mask_handles_unshared_total"),
                },
                "ops",
            ),
        ),
    ),
    "tiers": (
        "maskgate: the tiers",
        (
            Panel(
                "Who is there",
                {
                    "gateways": f"count(sum by (instance) (maskgate_requests_in_flight{HERE}))",
                    "decoders": f'count(count by (instance) ({SUCCESS}{{release="$release",model=~".+_decoder"}}))',
                    "encoders": f'count(count by (instance) ({SUCCESS}{{release="$release",{ENCODER}}})) or vector(0)',
                },
            ),
            Panel(
                "Components as the gateways see them",
                {"{{component}}": f"avg by (component) (maskgate_component_up{HERE})"},
                "percentunit",
            ),
            Panel(
                "Tritons of another engine",
                {"{{model}}": f"max by (model) (maskgate_engine_mismatches{HERE})"},
                about="Longer than a rollout: docs/runbooks/engines-differ.md.",
            ),
            Panel(
                "Images to encode",
                {
                    "pending": total("maskgate_encodes_pending"),
                    "refused while an encoder starts, per minute": "60 * "
                    + rate("maskgate_inference_errors_total", 'stage="encode",reason="ENCODER_STARTING"'),
                },
                about="An encoder for every 4 (docs/scaling.md).",
            ),
            Panel(
                "Wait in Triton's queue, mean",
                {
                    "decoder": share(f"{rate(QUEUE, DECODER)} / 1e6", rate(SUCCESS, DECODER)),
                    "encoder": share(f"{rate(QUEUE, ENCODER)} / 1e6", rate(SUCCESS, ENCODER)),
                },
                "s",
            ),
            Panel(
                "Calls at Triton",
                {"{{stage}}": total("maskgate_inference_in_flight", by="stage")},
            ),
            Panel(
                "Mean batch",
                {"{{model}}": share(rate(COUNT, by="model"), rate(EXECUTIONS, by="model"))},
            ),
            Panel(
                "Instances that compute",
                {
                    "{{model}}": share(rate(COMPUTE, by="model"), rate(COUNT, by="model"))
                    + f" / 1e6 * {rate(EXECUTIONS, by='model')}"
                },
                about="On average. Triton charges a batch's time to each of its requests; here it counts once.",
            ),
            Panel(
                "Cores and memory of gateways",
                {
                    "cores": rate("process_cpu_seconds_total"),
                    "GiB": f"{total('process_resident_memory_bytes')} / 2^30",
                },
            ),
        ),
    ),
    "cost": (
        "maskgate: what a click costs",
        (
            Panel(
                "Clicks for each encode",
                {"clicks": share(ANSWERED, ENCODES)},
                about="The encoder is nearly all of the GPU's work: what is clicked on twice costs half.",
            ),
            Panel(
                "Answered",
                {
                    "clicks": ANSWERED,
                    "prompts of streams": rate("maskgate_stream_prompts_total", 'result="answered"'),
                    "points of generations": rate("maskgate_generation_prompts_total"),
                    "encodes": ENCODES,
                },
                "ops",
            ),
            Panel(
                "Cores for a click",
                {"seconds": share(rate("process_cpu_seconds_total"), ANSWERED)},
                "s",
                "Of the gateway, whatever else it does.",
            ),
            Panel(
                "Encoder's time for a click",
                {
                    "seconds": share(
                        f"{rate(COMPUTE, ENCODER)} / 1e6 / clamp_min({rate(COUNT, ENCODER)} / "
                        f"clamp_min({rate(EXECUTIONS, ENCODER)}, 1e-9), 1)",
                        ANSWERED,
                    )
                },
                "s",
                "Times the price of a GPU's second: what a click costs in GPUs.",
            ),
            Panel(
                "Encoders, and how busy they are",
                {
                    "encoders": f'count(count by (instance) ({SUCCESS}{{release="$release",{ENCODER}}})) or vector(0)',
                    "busy": f"{rate(COMPUTE, ENCODER)} / 1e6 / clamp_min({rate(COUNT, ENCODER)} / "
                    f"clamp_min({rate(EXECUTIONS, ENCODER)}, 1e-9), 1)",
                },
                about="Encoders that are paid for and not busy: raise the target in the chart, or let them go to zero.",
            ),
            Panel(
                "GPUs",
                {
                    "in use": f"avg(nv_gpu_utilization{HERE})",
                    "of their memory": f"sum(nv_gpu_memory_used_bytes{HERE}) / sum(nv_gpu_memory_total_bytes{HERE})",
                },
                "percentunit",
                "Empty where Triton sees no GPU, or leaves them to the DCGM exporter (--allow-gpu-metrics=false).",
            ),
            Panel(
                "To and from clients",
                {
                    "in, {{protocol}}": rate("maskgate_received_bytes_total", by="protocol"),
                    "out, {{protocol}}": rate("maskgate_sent_bytes_total", by="protocol"),
                },
                "Bps",
            ),
            Panel(
                "Bytes of an answer",
                {"bytes": share(rate("maskgate_sent_bytes_total"), rate("maskgate_requests_total"))},
                "bytes",
            ),
            Panel(
                "Refused by quotas",
                {"{{quota}}": rate("maskgate_quota_refusals_total", by="quota")},
                "reqps",
                "Empty without tenants (docs/tenants.md).",
            ),
        ),
    ),
}


def dashboard(name: str) -> dict[str, Any]:
    """Write one as Grafana reads it."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"maskgate-{name}",
        "title": title,
        "tags": ["maskgate"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_datasource(), _release()]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _release() -> dict[str, Any]:
    query = "label_values(maskgate_requests_in_flight, release)"
    variable = {"name": "release", "type": "query", "datasource": _DATASOURCE, "label": "Release"}
    return {**variable, "query": {"query": query, "refId": "releases"}, "definition": query, "refresh": 2, "sort": 1}


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _DATASOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _DATASOURCE, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def text(name: str) -> str:
    """Write one as its file."""
    return json.dumps(dashboard(name), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for each in DASHBOARDS:
        (FOLDER / f"{each}.json").write_text(text(each), encoding="utf-8")
