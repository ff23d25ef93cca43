"""Objects fit together: what one names is there in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.chart.cases import CASES, everything, rendered
from tests.chart.objects import named, of_kind, pod, pods, selected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chart.helm import Object

OUTSIDE = {"redis", "keys", "certificate", "registry", "sam-models", "maskgate-redis", "maskgate-keys"}
"""Secrets and claims that the operator has made."""


@pytest.fixture(params=CASES)
def documents(request: pytest.FixtureRequest) -> list[Object]:
    return rendered(request.param)


def test_selectors_select_one_kind_of_pod(documents: list[Object]) -> None:
    """Deployments, disruption budgets, spreads and network policies each select pods, and their own alone."""
    for document in of_kind(documents, "Deployment"):
        (owner,) = selected(documents, document["spec"]["selector"]["matchLabels"])
        assert f"Deployment/{document['metadata']['name']}" == owner.of
    for it in pods(documents):
        for constraint in it.spec.get("topologySpreadConstraints", []):
            assert [it.of] == [other.of for other in selected(documents, constraint["labelSelector"]["matchLabels"])]
    for document in of_kind(documents, "PodDisruptionBudget"):
        assert 1 == len(selected(documents, document["spec"]["selector"]["matchLabels"]))
    for document in of_kind(documents, "NetworkPolicy"):
        assert selected(documents, document["spec"]["podSelector"]["matchLabels"])


def test_services_lead_to_ports(documents: list[Object]) -> None:
    """Each port of a Service is one that the pods behind it have."""
    for service in of_kind(documents, "Service"):
        behind = selected(documents, service["spec"]["selector"])
        assert behind
        for port in service["spec"]["ports"]:
            assert all(port["targetPort"] in it.ports for it in behind)
            assert all(port["port"] == it.ports[port["targetPort"]] for it in behind)


def test_probes_ask_at_ports(documents: list[Object]) -> None:
    """Each probe asks at a port that its container has."""
    for it in pods(documents):
        for container in it.containers:
            known = {port["name"] for port in container.get("ports", [])} | {
                port["containerPort"] for port in container.get("ports", [])
            }
            for probe in _probes(container):
                asked = next((probe[way] for way in ("httpGet", "grpc", "tcpSocket") if way in probe), None)
                assert asked is None or asked["port"] in known


def _probes(container: Object) -> Iterator[dict[str, Any]]:
    return (container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe") if name in container)


def test_what_is_mounted_is_there(documents: list[Object]) -> None:
    """Each mount has its volume, each volume its mount, and claims and Secrets are the chart's or the operator's."""
    claims = {document["metadata"]["name"] for document in of_kind(documents, "PersistentVolumeClaim")}
    for it in pods(documents):
        volumes = {volume["name"]: volume for volume in it.spec["volumes"]}
        mounted = {mount["name"] for container in it.containers for mount in container.get("volumeMounts", [])}
        assert set(volumes) == mounted
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            secret = volume.get("secret", {}).get("secretName")
            assert claim in claims | OUTSIDE | {None}
            assert secret in OUTSIDE | {None}


def test_every_tier_is_guarded(documents: list[Object]) -> None:
    """Where there are network policies each Deployment has one, and only gateways reach encoders and Valkey."""
    policies = of_kind(documents, "NetworkPolicy")
    if not policies:
        return
    guarded = {it.of for policy in policies for it in selected(documents, policy["spec"]["podSelector"]["matchLabels"])}
    assert {it.of for it in pods(documents) if it.of.startswith("Deployment/")} == guarded
    for policy in policies:
        for rule in policy["spec"]["ingress"]:
            opened = {port["port"] for port in rule["ports"]}
            if opened & {"triton-grpc", "redis"}:
                (peer,) = rule["from"]
                admitted = selected(documents, peer["podSelector"]["matchLabels"])
                assert ["Deployment/maskgate-gateway"] == [it.of for it in admitted]


def test_policies_open_ports_that_are_there(documents: list[Object]) -> None:
    """Each port that is let in is one of the pods behind the policy, and each port of theirs is let in by one."""
    for policy in of_kind(documents, "NetworkPolicy"):
        opened = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        for it in selected(documents, policy["spec"]["podSelector"]["matchLabels"]):
            assert opened == set(it.ports)


def test_ways_in_lead_to_the_service(documents: list[Object]) -> None:
    """Ingresses and routes name the Service and ports that it has."""
    ports = {port["name"]: port["port"] for port in named(documents, "Service", "maskgate")["spec"]["ports"]}
    for ingress in of_kind(documents, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            (path,) = rule["http"]["paths"]
            assert "maskgate" == path["backend"]["service"]["name"]
            assert path["backend"]["service"]["port"]["name"] in ports
    for route in of_kind(documents, "HTTPRoute", "GRPCRoute"):
        ((backend,),) = [rule["backendRefs"] for rule in route["spec"]["rules"]]
        assert ("maskgate", ports["grpc" if route["kind"] == "GRPCRoute" else "http"]) == (
            backend["name"],
            backend["port"],
        )


def test_what_is_scaled_is_there(documents: list[Object]) -> None:
    """Each autoscaler has a Deployment, which then says nothing of its replicas, and no Deployment has two."""
    scaled = [
        it["spec"]["scaleTargetRef"]["name"] for it in of_kind(documents, "ScaledObject", "HorizontalPodAutoscaler")
    ]
    assert len(set(scaled)) == len(scaled)
    for name in scaled:
        assert "replicas" not in named(documents, "Deployment", name)["spec"]
    for document in of_kind(documents, "Deployment"):
        assert ("replicas" in document["spec"]) == (document["metadata"]["name"] not in scaled)


def test_pods_are_restricted(documents: list[Object]) -> None:
    """Every pod keeps the restricted standard of pod security, reads its root only, and has no token."""
    for it in pods(documents):
        context = it.spec["securityContext"]
        assert (True, "RuntimeDefault") == (context["runAsNonRoot"], context["seccompProfile"]["type"])
        assert not it.spec["automountServiceAccountToken"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & set(it.spec)
        for container in it.containers:
            assert {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            } == container["securityContext"]
            assert not any("hostPort" in port for port in container.get("ports", []))
        assert all(
            {"emptyDir", "secret", "persistentVolumeClaim"} & set(volume) for volume in it.spec.get("volumes", [])
        )


def test_every_container_has_limits(documents: list[Object]) -> None:
    """No container takes more than it was promised."""
    for it in pods(documents):
        for container in it.containers:
            resources = container["resources"]
            assert resources["requests"] == resources["limits"]
            assert {"cpu", "memory"} <= set(resources["limits"])


def test_gpus_are_asked_for_where_plans_are(documents: list[Object]) -> None:
    """A container that serves, verifies or builds plans has a GPU, and no other one has."""
    for it in pods(documents):
        for container in it.containers:
            has_plans = any(mount["mountPath"] == "/plans" for mount in container.get("volumeMounts", []))
            assert has_plans == ("nvidia.com/gpu" in container["resources"]["limits"])


def test_plans_are_built_by_the_image_that_serves(documents: list[Object]) -> None:
    """A plan loads in the very version that built it: Job, verification and Triton are of one image."""
    images = {
        container["image"]
        for it in pods(documents)
        for container in it.containers
        if container["name"] in {"triton", "verify-plans", "build-plans"}
    }
    assert 1 == len(images)


def test_hooks_need_nothing_of_the_release() -> None:
    """What runs before an install uses no account, claim or Secret that only the release brings."""
    documents = rendered("production")
    hooks = [it for it in documents if "pre-install" in it["metadata"].get("annotations", {}).get("helm.sh/hook", "")]
    claims = {it["metadata"]["name"] for it in hooks if it["kind"] == "PersistentVolumeClaim"} | {"sam-models"}

    assert {"Job", "PersistentVolumeClaim"} == {it["kind"] for it in hooks}
    for it in pods(hooks):
        assert "serviceAccountName" not in it.spec
        for volume in it.spec["volumes"]:
            assert volume.get("persistentVolumeClaim", {}).get("claimName") in claims | {None}


def test_each_gpu_model_has_plans_of_its_own() -> None:
    """Encoders of a GPU model run on its nodes, and mount the volume that its Job has filled."""
    documents = rendered("production")
    for gpu, product in (("l4", "NVIDIA-L4"), ("a10", "NVIDIA-A10")):
        encoder = pod(documents, f"maskgate-encoder-{gpu}")
        job = next(it for it in pods(documents) if it.of == f"Job/maskgate-plans-{gpu}")
        for it in (encoder, job):
            assert {"nvidia.com/gpu.product": product} == it.spec["nodeSelector"]
            assert f"maskgate-plans-{gpu}" in str(it.spec["volumes"])


def test_each_gpu_model_has_bounds_of_its_own() -> None:
    """What a GPU model does not say is as the encoder's, and 0 is something that it says."""
    documents = rendered("production")

    assert [(0, 4), (1, 16)] == [
        (it["spec"]["minReplicaCount"], it["spec"]["maxReplicaCount"])
        for it in of_kind(documents, "ScaledObject")
        if "-encoder-" in it["metadata"]["name"]
    ]


def test_monitors_find_services() -> None:
    """A ServiceMonitor selects one Service, and scrapes ports that it has."""
    documents = everything()
    for monitor in of_kind(documents, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        (service,) = [it for it in of_kind(documents, "Service") if wanted.items() <= it["metadata"]["labels"].items()]
        ports = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


def test_in_one_pod_there_is_one_triton() -> None:
    """In `all-in-one` nothing is outside of the gateway's pod but Redis."""
    documents = rendered("all-in-one")

    assert {"maskgate-gateway", "maskgate-valkey"} == {
        it["metadata"]["name"] for it in of_kind(documents, "Deployment")
    }
