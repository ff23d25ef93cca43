"""The life of a release: the real helm and kubectl against a double of the Kubernetes API (cluster/api.py)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.chart.cases import EXAMPLES
from tests.chart.cluster.api import Cluster, cluster
from tests.chart.cluster.kinds import KEDA, OPERATOR
from tests.chart.helm import CHART, NAMESPACE, RELEASE, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GATEWAY = "maskgate-gateway"
SECONDS = "20s"


@dataclass(frozen=True)
class Release:
    """A release in a cluster, and the folder of its values."""

    cluster: Cluster
    folder: Path

    def helm(self, verb: str, *words: str, values: object = None) -> str:
        """What helm prints; it succeeds."""
        done = self.attempt(verb, *words, values=values)
        assert not done[0], done[1]
        return done[1]

    def attempt(self, verb: str, *words: str, values: object = None) -> tuple[int, str]:
        """Helm's status, and what it prints."""
        if values is not None:
            path = self.folder / "values.json"
            path.write_text(json.dumps(values), encoding="utf-8")
            words = (str(CHART), *words, "--values", str(path))
        command = ("helm", *verb.split(), RELEASE, *words, "--namespace", NAMESPACE)
        limit = () if verb == "history" else ("--timeout", SECONDS)
        done = run(*command, *limit, kubeconfig=self.cluster.kubeconfig)
        return done.returncode, done.stdout + done.stderr

    def image(self) -> str:
        """What the gateway runs."""
        spec = self.cluster.get("Deployment", GATEWAY, NAMESPACE)["spec"]["template"]["spec"]
        image: str = spec["containers"][0]["image"]
        return image


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Release]:
    """A cluster with KEDA and the Prometheus operator, and no release in it yet."""
    with cluster(tmp_path, *KEDA, *OPERATOR) as running:
        yield Release(running, tmp_path)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Release]:
    """A cluster with nothing but Kubernetes."""
    with cluster(tmp_path) as running:
        yield Release(running, tmp_path)


def tagged(tag: str) -> dict[str, object]:
    return {"images": {"gateway": {"tag": tag}}}


def test_install_upgrade_rollback_uninstall(plain: Release) -> None:
    """A release comes, changes, changes back and goes, and leaves nothing but its history's end."""
    told = plain.helm("install", "--wait", values=tagged("1"))
    assert "maskgate:1" == plain.image()
    assert "kubectl -n vision rollout status deployment/maskgate-gateway" in told

    plain.helm("upgrade", "--wait", values=tagged("2"))
    assert "maskgate:2" == plain.image()

    plain.helm("rollback", "1")
    assert "maskgate:1" == plain.image()
    assert 3 == len(json.loads(plain.helm("history", "--output", "json")))

    plain.helm("uninstall")
    left = {kind.name: names for kind in plain.cluster.kinds if (names := plain.cluster.names(kind.name))}
    assert {} == left


def test_a_plain_cluster_is_not_scaled(plain: Release) -> None:
    """Where there is neither KEDA nor the operator a release has fixed numbers of pods, and says so."""
    told = plain.helm("install", values={})

    assert 2 == plain.cluster.get("Deployment", GATEWAY, NAMESPACE)["spec"]["replicas"]
    assert "the cluster has no KEDA" in told
    assert "the cluster has no Prometheus operator" in told


def test_what_the_cluster_has_is_used(release: Release) -> None:
    """Where both are there, tiers scale and are seen without a word in the values."""
    release.helm("install", values={})

    assert {GATEWAY, "maskgate-encoder-cpu"} == release.cluster.names("ScaledObject")
    assert release.cluster.names("ServiceMonitor")
    assert release.cluster.names("PrometheusRule")


def test_the_way_of_scaling_may_change(release: Release) -> None:
    """From KEDA to HorizontalPodAutoscalers to none: what scaled before is gone each time."""
    release.helm("install", values={})
    release.helm("upgrade", values={"autoscaling": {"mode": "hpa"}})
    assert (set(), {GATEWAY, "maskgate-encoder-cpu"}) == (
        release.cluster.names("ScaledObject"),
        release.cluster.names("HorizontalPodAutoscaler"),
    )

    release.helm("upgrade", values={"autoscaling": {"mode": "off"}})
    assert set() == release.cluster.names("HorizontalPodAutoscaler")
    assert 2 == release.cluster.get("Deployment", GATEWAY, NAMESPACE)["spec"]["replicas"]


def test_the_topology_may_change(plain: Release) -> None:
    """From split to one pod and back: encoders go and come, and nothing of theirs stays."""
    plain.helm("install", values={})
    plain.helm("upgrade", values={"topology": "all-in-one"})
    assert {GATEWAY, "maskgate-valkey"} == plain.cluster.names("Deployment")
    assert "maskgate-encoder" not in plain.cluster.names("Service")

    plain.helm("upgrade", values={"topology": "split"})
    assert "maskgate-encoder-cpu" in plain.cluster.names("Deployment")


def test_plans_outlive_upgrades_and_the_release(release: Release) -> None:
    """Jobs run before an install and before each upgrade; the volumes are made once, and stay."""
    values = EXAMPLES["production"]
    release.helm("install", values=values)
    volumes = {"maskgate-plans-l4", "maskgate-plans-a10"}
    first = {name: _of(release, name) for name in volumes}
    assert volumes == release.cluster.names("Job") == release.cluster.names("PersistentVolumeClaim")

    release.helm("upgrade", values=values)
    assert first == {name: _of(release, name) for name in volumes}

    release.helm("uninstall")
    assert volumes == release.cluster.names("PersistentVolumeClaim")


def _of(release: Release, claim: str) -> str:
    uid: str = release.cluster.get("PersistentVolumeClaim", claim, NAMESPACE)["metadata"]["uid"]
    return uid


def test_the_test_runs(plain: Release) -> None:
    """`helm test` runs the doctor, once more each time."""
    plain.helm("install", values={})

    for _ in range(2):
        assert "Phase: Succeeded" in " ".join(plain.helm("test").split())


def test_what_the_cluster_refuses_is_told(plain: Release) -> None:
    """An upgrade that the cluster alone finds wrong fails with the reason, and nothing has changed."""
    plain.helm("install", values=tagged("1"))

    status, told = plain.attempt("upgrade", values={**tagged("2"), "gateway": {"tolerations": [{"bogus": "x"}]}})

    assert status
    assert "bogus" in told
    assert "maskgate:1" == plain.image()


def test_the_double_refuses_what_kubernetes_would(plain: Release) -> None:
    """Selectors of Deployments cannot change: a chart that renamed its labels could not be upgraded."""
    plain.helm("install", values={})
    change = {"spec": {"selector": {"matchLabels": {"app": "other"}}}}

    done = run(
        *("kubectl", "patch", "deployment", GATEWAY, "--namespace", NAMESPACE, "--type", "merge"),
        *("--patch", json.dumps(change)),
        kubeconfig=plain.cluster.kubeconfig,
    )

    assert done.returncode
    assert "field is immutable" in done.stderr
