"""Combinations that make no sense are refused with a sentence, and their neighbours are not."""

from __future__ import annotations

import re

import pytest

from tests.chart.cases import GPU, KEYS, OWN_REDIS
from tests.chart.helm import CHART, Object, refusal, template

SENTENCES = {
    "models.claim": (
        {"models": {"names": ["lite0", "vit_b"]}},
        'The image holds no model "vit_b"',
        {"models": {"names": ["lite0", "vit_b"], "claim": "models"}},
    ),
    "two Redis": (
        {"redis": {"existingSecret": "redis"}},
        "Gateways share one Redis",
        {"redis": {"existingSecret": "redis", "bundled": False}},
    ),
    "outside": (
        {"ingress": {"restHost": "a.example"}},
        "From outside of the cluster everybody could do everything",
        {"ingress": {"restHost": "a.example", "tlsSecret": "certificate"}, **KEYS},
    ),
    "Ingress in the clear": (
        {"ingress": {"restHost": "a.example"}, **KEYS},
        "name its certificate in ingress.tlsSecret",
        {"ingress": {"restHost": "a.example"}, "tls": {"endsElsewhere": True}, **KEYS},
    ),
    "load balancer in the clear": (
        {"service": {"type": "LoadBalancer"}, **KEYS},
        "name the gateways' certificate in tls.existingSecret",
        {"service": {"type": "LoadBalancer"}, "tls": {"existingSecret": "certificate"}, **KEYS},
    ),
    "open Valkey": (
        {"networkPolicy": {"enabled": False}, **KEYS},
        "The bundled Valkey has no password",
        {"networkPolicy": {"enabled": False}, **OWN_REDIS, **KEYS},
    ),
    "authorities": (
        {"tls": {"clientCaKey": "ca.crt"}},
        "tls.clientCaKey asks clients for certificates",
        {"tls": {"clientCaKey": "ca.crt", "existingSecret": "certificate"}},
    ),
    "scraping": (
        {"tls": {"clientCaKey": "ca.crt", "existingSecret": "certificate"}, "monitoring": {"mode": "on"}},
        "Prometheus has no certificate to show",
        {"tls": {"existingSecret": "certificate"}, "monitoring": {"mode": "on"}},
    ),
    "decoder.gpu": (
        {**GPU, "decoder": {"gpu": "a10"}},
        'decoder.gpu is "a10", which is none of gpus: l4.',
        {**GPU, "decoder": {"gpu": "l4"}},
    ),
    "idle GPU": (
        {"topology": "all-in-one", **GPU},
        'nothing would use the GPU model "l4"',
        {"topology": "all-in-one", **GPU, "decoder": {"gpu": "l4"}},
    ),
    "bounds": (
        {"gateway": {"minReplicas": 20}},
        "The fewest pods of gateway, 20, are more than the most, 10.",
        {"gateway": {"minReplicas": 10}},
    ),
    "to zero": (
        {"autoscaling": {"mode": "hpa"}, "encoder": {"minReplicas": 0}},
        "A HorizontalPodAutoscaler cannot scale maskgate-encoder-cpu to zero",
        {"autoscaling": {"mode": "keda"}, "encoder": {"minReplicas": 0}},
    ),
    "routes": (
        {"gatewayApi": {"restHost": "a.example"}},
        "no Gateway to take their routes",
        {"gatewayApi": {"restHost": "a.example", "gateway": "edge"}, **KEYS},
    ),
}


@pytest.mark.parametrize(("values", "sentence", "_"), SENTENCES.values(), ids=SENTENCES)
def test_what_makes_no_sense_is_told(values: Object, sentence: str, _: Object) -> None:
    """The sentence says what is wrong."""
    assert sentence in refusal(values)


@pytest.mark.parametrize(("_", "sentence", "values"), SENTENCES.values(), ids=SENTENCES)
def test_what_makes_sense_is_not(_: Object, sentence: str, values: Object) -> None:
    """What the sentence asks for is enough."""
    assert template(values), sentence


@pytest.mark.parametrize(
    "exposed",
    [
        {"ingress": {"grpcHost": "a.example"}},
        {"gatewayApi": {"gateway": "edge", "grpcHost": "a.example"}},
        {"service": {"type": "LoadBalancer"}},
    ],
)
def test_every_way_in_asks_for_keys(exposed: Object) -> None:
    """However a gateway is reached from outside, there are keys."""
    assert "From outside" in refusal(exposed)


def test_every_sentence_is_tested() -> None:
    """There is a case for each refusal of the chart."""
    text = (CHART / "templates" / "requirements.yaml").read_text(encoding="utf-8")

    assert len(SENTENCES) == len(re.findall(r"\bfail ", text))
