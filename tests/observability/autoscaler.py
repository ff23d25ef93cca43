"""What KEDA and the HorizontalPodAutoscaler make of a number, as their documentation says.

Sources: Kubernetes, "Horizontal Pod Autoscaling" (algorithm details, stabilization window, scaling policies); KEDA,
"ScaledObject specification" (minReplicaCount, cooldownPeriod, fallback) and "Scaling deployments" (activation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE = 0.1
"""The controller's default: a ratio this near to 1 changes nothing."""
SCALING = Path("helm/maskgate/files/scaling.yaml")


@dataclass(frozen=True)
class Signal:
    """What a tier scales by."""

    name: str
    series: str
    query: str
    target: float
    activation: float


@dataclass(frozen=True)
class Tier:
    """How a tier scales.

    Attributes:
        signals: The most that any of them asks for counts.
        behavior: As the HorizontalPodAutoscaler has it.
        fallback: As KEDA has it.
        cooldown: Seconds without activity before it goes to zero.
    """

    signals: tuple[Signal, ...]
    behavior: dict[str, Any]
    fallback: dict[str, Any]
    cooldown: float

    def wanted(self, values: Mapping[str, float], *, current: int) -> int:
        """The most that any of its signals asks for."""
        return max(wanted(values[signal.name], signal.target, current=current) for signal in self.signals)


def read_tiers() -> dict[str, Tier]:
    """Read helm/maskgate/files/scaling.yaml."""
    document = yaml.safe_load(SCALING.read_text(encoding="utf-8"))
    return {
        name: Tier(
            tuple(Signal(**signal) for signal in tier["signals"]),
            tier["behavior"],
            tier["fallback"],
            tier["cooldownSeconds"],
        )
        for name, tier in document["tiers"].items()
    }


def wanted(value: float, target: float, *, current: int) -> int:
    """How many replicas a number asks for, that is for all of them together (AverageValue)."""
    if current and abs(value / (target * current) - 1) <= TOLERANCE:
        return current
    return math.ceil(value / target)


@dataclass
class Autoscaler:
    """A tier over time.

    Attributes:
        replicas: How many there are.
        minimum, maximum: Bounds; a minimum of 0 lets it go to zero.
    """

    tier: Tier
    minimum: int
    maximum: int
    replicas: int
    _asked: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)
    _active: float = -math.inf
    _failures: int = 0

    def step(self, now: float, values: Mapping[str, float] | None) -> int:
        """Look once; `values` are those of the signals, None while Prometheus is away."""
        if values is None:
            self._failures += 1
            if self._failures < self.tier.fallback["failureThreshold"]:
                return self.replicas
            asked = max(self.tier.fallback["replicas"], self.replicas)  # currentReplicasIfHigher
        else:
            self._failures = 0
            if any(values[signal.name] > signal.activation for signal in self.tier.signals):
                self._active = now
            asked = self.tier.wanted(values, current=self.replicas)
        self._follow(now, asked, active=values is None or self._active == now)
        return self.replicas

    def _follow(self, now: float, asked: int, *, active: bool) -> None:
        if self.minimum == 0 and not active and now - self._active > self.tier.cooldown:
            self._set(now, 0)
            return
        if self.replicas == 0:
            self._set(now, 1 if active else 0)
            return
        self._asked.append((now, asked))
        bounded = min(max(self._stable(now), self.minimum, 1), self.maximum)
        self._set(now, min(bounded, self._most(now)) if bounded > self.replicas else max(bounded, self._least(now)))

    def _stable(self, now: float) -> int:
        """The least that was asked for in the window of growing, or the most in that of shrinking."""
        up, down = (self.tier.behavior[way]["stabilizationWindowSeconds"] for way in ("scaleUp", "scaleDown"))
        least = min(count for at, count in self._asked if at >= now - up)
        most = max(count for at, count in self._asked if at >= now - down)
        return min(max(self.replicas, least), most)

    def _most(self, now: float) -> int:
        """How many there may be by the policies of growing."""
        policies = self.tier.behavior["scaleUp"]["policies"]
        return max(self._before(now, it) + _change(it, self._before(now, it)) for it in policies)

    def _least(self, now: float) -> int:
        """How many there have to be by those of shrinking."""
        policies = self.tier.behavior["scaleDown"]["policies"]
        return min(self._before(now, it) - _change(it, self._before(now, it)) for it in policies)

    def _before(self, now: float, policy: dict[str, Any]) -> int:
        """How many there were at the beginning of a policy's period."""
        return self.replicas - sum(change for at, change in self._changes if at > now - policy["periodSeconds"])

    def _set(self, now: float, replicas: int) -> None:
        if replicas != self.replicas:
            self._changes.append((now, replicas - self.replicas))
        self.replicas = replicas


def _change(policy: dict[str, Any], replicas: int) -> int:
    """How many may come or go by a policy in its period."""
    return int(policy["value"]) if policy["type"] == "Pods" else math.ceil(replicas * policy["value"] / 100)
