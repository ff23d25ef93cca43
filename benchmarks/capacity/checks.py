"""What has to agree, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass

_NEAR, _MOST, _LEAST = "±", "at most", "at least"


@dataclass(frozen=True, slots=True)
class Check:
    """Two figures that should be alike, or one that has a bound.

    Attributes:
        name: What is looked at, with its unit.
        said: By the formula, the simulation or the target.
        seen: What is held against it.
        within: By how much of `said` they may differ.
        kind: "±", or "at most" or "at least" where `said` is a bound, which may then be missed by `within`.
    """

    name: str
    said: float
    seen: float
    within: float = 0.2
    kind: str = _NEAR

    @classmethod
    def at_most(cls, name: str, most: float, seen: float) -> Check:
        """Look whether a bound is kept."""
        return cls(name, most, seen, 0.0, _MOST)

    @classmethod
    def at_least(cls, name: str, least: float, seen: float, *, within: float) -> Check:
        """Look whether something is as good as was said, or better."""
        return cls(name, least, seen, within, _LEAST)

    @property
    def has_passed(self) -> bool:
        """Whether they agree."""
        too_much = self.kind != _LEAST and self.seen > self.said * (1 + self.within)
        too_little = self.kind != _MOST and self.seen < self.said * (1 - self.within)
        return not too_much and not too_little

    @property
    def bound(self) -> str:
        """Return what is allowed, for people."""
        if self.kind == _NEAR:
            return f"±{self.within:.0%}"
        return f"{self.kind}, to {self.within:.0%}" if self.within else self.kind

    def __str__(self) -> str:
        mark = "ok  " if self.has_passed else "FAIL"
        return f"{mark}  {self.name:<62}{self.said:>11.4g}{self.seen:>11.4g}  {self.bound}"

    @property
    def row(self) -> str:
        """Return a row of a page's table."""
        verdict = "yes" if self.has_passed else "**no**"
        return f"| {self.name} | {self.said:.4g} | {self.seen:.4g} | {self.bound} | {verdict} |"


def closing_line(checks: list[Check]) -> str:
    """Return the last line that is shown."""
    failed = sum(not check.has_passed for check in checks)
    return f"{len(checks) - failed} passed, {failed} failed"
