"""The rules, by Prometheus' own tool."""

from __future__ import annotations

import subprocess

import pytest

from tests.observability.prometheus import FILES, program

pytestmark = pytest.mark.observability


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", str(FILES / "rules.yaml")),
        ("test", "rules", "tests/observability/rules_test.yaml"),
    ],
    ids=["they can be read", "each alert fires and does not fire"],
)
def test_the_rules(arguments: tuple[str, ...]) -> None:
    """What promtool says of them is that they are well."""
    finished = subprocess.run([program("promtool"), *arguments], check=False, capture_output=True, text=True)

    assert (0, "") == (finished.returncode, finished.stderr), finished.stdout
