"""What a run has measured, for people and as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.balance.clicks import Clicks

RESULTS = Path("out") / "balance.json"


@dataclass
class Figures:
    """A row for each disturbance."""

    rows: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, name: str, clicks: Clicks, *, seconds: float, retried: int) -> None:
        """Take note of what became of the clicks of so many seconds, and how many of them Envoy sent once more."""
        p50, p99 = clicks.quantile(0.5), clicks.quantile(0.99)
        self.rows[name] = {
            "seconds": round(seconds, 1),
            "clicks": len(clicks.seconds),
            "failed": clicks.failed.total(),
            "retried_by_envoy": retried,
            "p50_ms": round(1e3 * p50, 1),
            "p99_ms": round(1e3 * p99, 1),
            "p99_by_p50": round(p99 / p50, 2),
        }

    def write(self) -> None:
        """Write the JSON file."""
        RESULTS.parent.mkdir(exist_ok=True)
        document = {"cores": os.cpu_count(), "clicks_per_second": 50, "disturbances": self.rows}
        RESULTS.write_text(json.dumps(document, indent=2) + "\n")

    def table(self) -> str:
        """Write them as a table."""
        return "\n".join(map(_line, self.rows.items()))


def _line(row: tuple[str, dict[str, float]]) -> str:
    name, figures = row
    return f"{name:<40}" + "  ".join(f"{key} {value:g}" for key, value in figures.items())
