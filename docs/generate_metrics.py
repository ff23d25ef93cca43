"""Writes docs/metrics.md to standard output: python docs/generate_metrics.py > docs/metrics.md (make docs)."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from prometheus_client import CollectorRegistry

from maskgate.telemetry import Metrics

HEAD = """# Metrics

`GET /metrics` on the HTTP port answers in Prometheus' text format. Times are in seconds, sizes in bytes. No label holds
anything that a client can make up: a model is one of those that are served, an image never appears. What can be known
beforehand is there from the start, at 0, so that a rate sees the first event, too.

Where the time of a click goes: `maskgate_queue_seconds` (waiting for a place), `maskgate_image_decode_duration_seconds`
and `maskgate_inference_duration_seconds{stage="encode"}` (its image's first prompt), then
`maskgate_inference_duration_seconds{stage="decode"}` and `maskgate_postprocess_duration_seconds`.

This page is made from `service/maskgate/telemetry/` by `make docs`; `make check` compares.
"""
TABLE = "| metric | type | labels | meaning |\n|---|---|---|---|\n"
FOOT = """
Beside these come prometheus_client's `process_*` metrics: memory, CPU, open files, start time.
"""


def page() -> str:
    """Return the page."""
    groups = vars(Metrics(CollectorRegistry())).values()
    return HEAD + "".join(map(_section, groups)) + FOOT


def _section(group: object) -> str:
    title, _, prose = inspect.getdoc(group).partition("\n")  # type: ignore[union-attr] # a test demands docstrings
    before, _, after = prose.partition("Example:\n")
    parts = (before.strip(), TABLE + "".join(map(_row, vars(group).values())).rstrip(), inspect.cleandoc(after))
    return f"\n## {title.rstrip('.')}\n\n" + "\n\n".join(filter(None, parts)) + "\n"


def _row(collector: Any) -> str:  # noqa: ANN401 - prometheus_client tells names and labels in private alone
    (family,) = collector.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in collector._labelnames) or "—"  # noqa: SLF001
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
