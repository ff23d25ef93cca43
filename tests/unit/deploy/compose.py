"""The files of deploy/, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"


class _Loader(yaml.SafeLoader):
    """Knows Compose's tags."""


_Loader.add_constructor("!reset", lambda _loader, _node: None)


def read(name: str) -> Any:  # noqa: ANN401 - YAML
    """Read a file of deploy/."""
    return yaml.load((DEPLOY / name).read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe one


def services(name: str = "compose.yaml") -> dict[str, dict[str, Any]]:
    """The services of a Compose file."""
    found: dict[str, dict[str, Any]] = read(name)["services"]
    return found


def both() -> dict[str, dict[str, Any]]:
    """All services, those before the balancer among them."""
    return {**services("compose.balanced.yaml"), **services()}


def seconds(duration: str) -> float:
    """`30s` as a number."""
    return float(duration.removesuffix("s"))
