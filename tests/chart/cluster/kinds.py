"""The kinds of objects that the double knows, and what becomes of them: no controller runs, so they just are well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.chart.helm import Object


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, and where the API has it."""

    group_version: str
    plural: str
    name: str
    is_namespaced: bool = True

    @property
    def resource(self) -> Object:
        """It, as discovery tells of it."""
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        return {
            "name": self.plural,
            "singularName": self.name.lower(),
            "namespaced": self.is_namespaced,
            "kind": self.name,
            "verbs": verbs,
        }


BUILT_IN: Final = (
    Kind("v1", "namespaces", "Namespace", is_namespaced=False),
    Kind("v1", "pods", "Pod"),
    Kind("v1", "services", "Service"),
    Kind("v1", "configmaps", "ConfigMap"),
    Kind("v1", "secrets", "Secret"),
    Kind("v1", "serviceaccounts", "ServiceAccount"),
    Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
    Kind("v1", "events", "Event"),
    Kind("apps/v1", "deployments", "Deployment"),
    Kind("apps/v1", "replicasets", "ReplicaSet"),
    Kind("batch/v1", "jobs", "Job"),
    Kind("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    Kind("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    Kind("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy"),
    Kind("networking.k8s.io/v1", "ingresses", "Ingress"),
)
KEDA: Final = (Kind("keda.sh/v1alpha1", "scaledobjects", "ScaledObject"),)
OPERATOR: Final = (
    Kind("monitoring.coreos.com/v1", "servicemonitors", "ServiceMonitor"),
    Kind("monitoring.coreos.com/v1", "prometheusrules", "PrometheusRule"),
)


def status_of(document: Object) -> Object | None:
    """What an object's status would say once all has gone well; None for kinds without."""
    match document["kind"]:
        case "Deployment":
            return _deployed(document["metadata"]["generation"], document["spec"].get("replicas", 1))
        case "Pod":
            ends = document["spec"].get("restartPolicy") == "Never"
            return {"phase": "Succeeded" if ends else "Running", "conditions": [_true("Ready")]}
        case "Job":
            return {"succeeded": 1, "conditions": [_true("Complete")]}
        case "PersistentVolumeClaim":
            return {"phase": "Pending"}  # until somebody mounts it, as with WaitForFirstConsumer
        case _:
            return None


def _deployed(generation: int, replicas: int) -> Object:
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    done = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    return {
        "observedGeneration": generation,
        **dict.fromkeys(counts, replicas),
        "conditions": [_true("Available"), done],
    }


def _true(condition: str) -> dict[str, str]:
    return {"type": condition, "status": "True"}


FIXED: Final = {
    "Deployment": ("selector",),
    "Job": ("selector", "template"),
    "PersistentVolumeClaim": ("accessModes", "storageClassName"),
}
"""What Kubernetes refuses to change in a spec."""
