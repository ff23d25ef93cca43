"""Scenarios out of what a file says, section by section; what is not said stays at its default."""

from __future__ import annotations

from dataclasses import Field, fields, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from maskgate.capacity.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping

    Sections = Mapping[str, Mapping[str, object]]


class BadScenario(ValueError):
    """A scenario that makes no sense; the message names the key and what it may be."""


def read_scenario(sections: Sections, *, scenario: Scenario | None = None) -> Scenario:
    """Change a scenario, by default the one of all defaults.

    Raises:
        BadScenario: A section or a key is unknown, a value is no number or out of bounds, or values contradict.
    """
    scenario = scenario or Scenario()
    for name, values in sections.items():
        if name not in Scenario.__dataclass_fields__:
            raise BadScenario(f"there is no section '{name}', but {', '.join(Scenario.__dataclass_fields__)}")
        if not hasattr(values, "items"):
            raise BadScenario(f"'{name}' is a section: write [{name}], and its keys below")
        section = getattr(scenario, name)
        known = {one.name: one for one in fields(section)}
        changed = {key: _number(f"{name}.{key}", known.get(key), value) for key, value in values.items()}
        scenario = replace(scenario, **{name: replace(section, **changed)})
    if scenario.targets.spare_zones >= scenario.targets.zones:
        raise BadScenario("targets.spare_zones leaves no zone: it must be less than targets.zones")
    return scenario


def _number(where: str, known: Field[Any] | None, value: object) -> float:
    if known is None:
        raise BadScenario(f"there is no '{where}'")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise BadScenario(f"'{where}' is a number, not {value!r}")
    least, most = known.metadata["least"], known.metadata["most"]
    if not least <= value <= most:
        bounds = f"at least {least:g}" + (f", at most {most:g}" if isfinite(most) else "")
        raise BadScenario(f"'{where}' is {value:g}; it is {bounds}")
    if not isinstance(known.default, int):
        return float(value)
    if value != int(value):
        raise BadScenario(f"'{where}' is a whole number, not {value:g}")
    return int(value)
