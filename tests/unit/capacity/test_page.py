from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from maskgate.capacity import Scenario

PAGE = Path(__file__).parents[3] / "docs" / "capacity.md"


def test_every_key_is_documented() -> None:
    """docs/capacity.md names each key of a scenario once, with its default and a meaning."""
    rows = re.findall(r"^\| `(\w+\.\w+)` \| `([^`]+)` \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    expected = [
        (f"{section.name}.{key.name}", float(key.default))
        for section in fields(Scenario)
        for key in fields(getattr(Scenario(), section.name))
    ]
    assert expected == [(key, float(default)) for key, default in rows]
