from __future__ import annotations

import hashlib

import pytest

from maskgate.domain.api_key import ApiKey, KnownKey
from maskgate.domain.tenant import Limits, Quota, Tenant

ACME = Tenant("acme")


def test_a_key_is_read_as_it_was_written() -> None:
    """A new key has an id of 8 and a secret of 43 characters, and survives being text."""
    key = ApiKey.new()

    assert ("mg", 8, 43) == (str(key)[:2], len(key.id), len(key.secret))
    assert key == ApiKey.parse(str(key))


def test_keys_differ() -> None:
    """Nobody gets a key twice."""
    assert len({str(ApiKey.new()) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mg_",
        "mg_12345678_short",
        f"mg_1234_{'s' * 43}",
        f"xx_12345678_{'s' * 43}",
        f"mg_12345678_{'s' * 43}\n",
        "é" * 55,
    ],
)
def test_what_is_no_key(text: str) -> None:
    """Only the form that was handed out is a key."""
    assert ApiKey.parse(text) is None


def test_only_its_own_key_opens() -> None:
    """Of a key its hash is known, which is no key; another secret under its id opens nothing."""
    key = ApiKey.new()
    known = KnownKey(key.id, key.digest, ACME)

    assert hashlib.sha256(key.secret.encode()).hexdigest() == key.digest
    assert [True, False] == [known.is_opened_by(each) for each in (key, ApiKey(key.id, ApiKey.new().secret))]


def test_a_secret_is_not_shown_by_accident() -> None:
    """What logs and tracebacks show of a key has no secret in it."""
    key = ApiKey.new()

    assert key.secret not in repr(key)


@pytest.mark.parametrize("name", ["a", "acme", "A-1_b.c", "x" * 64])
def test_names_of_tenants(name: str) -> None:
    """Letters, digits, dots, underlines and hyphens, at most 64."""
    assert name == Tenant.named(name, Limits()).name


@pytest.mark.parametrize("name", ["", "-a", "a b", "a:b", "a\n", "x" * 65, "é"])
def test_what_is_no_name(name: str) -> None:
    """Anything that could be taken for a part of a key in Redis, or for nobody, is refused."""
    with pytest.raises(ValueError, match="no name of a tenant"):
        Tenant.named(name, Limits())


@pytest.mark.parametrize("limit", ["calls_per_second", "pixels_per_minute", "cache_bytes"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_above_zero(limit: str, value: float) -> None:
    """A limit that lets nothing through is a mistake: to shut a tenant out, its keys are deleted."""
    with pytest.raises(ValueError, match=limit):
        Limits(**{limit: value})  # type: ignore[arg-type]


def test_every_quota_has_a_limit() -> None:
    """Each quota finds the limit of its name."""
    limits = Limits(calls_per_second=1, pixels_per_minute=2)

    assert [1, 2] == [limits.of(quota) for quota in Quota]
