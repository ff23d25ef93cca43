"""The values that the chart is rendered with: the examples, and what they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tests.chart.helm import CHART, KEDA, OPERATOR, template

if TYPE_CHECKING:
    from tests.chart.helm import Object

EXAMPLES = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in CHART.glob("examples/*.yaml")}
OWN_REDIS = {"redis": {"bundled": False, "existingSecret": "redis"}}
KEYS = {"auth": {"existingSecret": "keys"}}
GPU = {"gpus": {"l4": {"product": "NVIDIA-L4"}}}

CASES: dict[str, Object] = {
    "defaults": {},
    **EXAMPLES,
    "own-redis": OWN_REDIS,
    "keys": KEYS,
    "tls": {"tls": {"existingSecret": "certificate"}, "monitoring": {"mode": "on"}},
    "mtls": {"tls": {"existingSecret": "certificate", "clientCaKey": "ca.crt"}},
    "load-balancer": {
        **KEYS,
        "tls": {"endsElsewhere": True},
        "service": {"type": "LoadBalancer", "annotations": {"a.b/c": "d"}},
    },
    "gateway-api": {**KEYS, "gatewayApi": {"gateway": "edge", "restHost": "a.example", "grpcHost": "b.example"}},
    "ingress-of-rest": {**KEYS, "ingress": {"restHost": "a.example", "tlsSecret": "certificate"}},
    "keda": {"autoscaling": {"mode": "keda"}, "encoder": {"minReplicas": 0}},
    "hpa": {"autoscaling": {"mode": "hpa"}},
    "all-in-one": {"topology": "all-in-one"},
    "all-in-one-keda": {"topology": "all-in-one", "autoscaling": {"mode": "keda"}},
    "decoder-on-gpu": {**GPU, "decoder": {"gpu": "l4"}, "gpuRuntimeClass": "nvidia", "encoder": {"surge": 0}},
    "verify-only": {**GPU, "plans": {"build": False}},
    "no-policies": {"networkPolicy": {"enabled": False}},
    "placed": {
        part: {
            "nodeSelector": {"pool": part},
            "tolerations": [{"key": "pool", "operator": "Exists"}],
            "podAnnotations": {"a.b/c": "d"},
        }
        for part in ("gateway", "encoder")
    },
    "settings": {"gateway": {"settings": {"max_upload_bytes": 536870912, "mask_share": False, "retry_ratio": 0.05}}},
    "digests": {
        "images": {
            "registry": "registry.example/vision/",
            "pullSecrets": ["registry"],
            **{name: {"digest": f"sha256:{'0' * 64}"} for name in ("gateway", "triton", "valkey")},
        }
    },
    "traces": {"tracing": {"endpoint": "http://collector:4318/"}},
}


def rendered(case: str, *, kubernetes: str = "1.37") -> list[Object]:
    """The objects of a case, in a cluster that has KEDA and the Prometheus operator where the case asks for them."""
    return template(CASES[case], kubernetes=kubernetes)


def everything() -> list[Object]:
    """The defaults in a cluster that has both."""
    return template(apis=(KEDA, OPERATOR))
