"""`make chart-test`: what these tests need is no part of .dev, so `make test` passes them over."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

collect_ignore_glob = [] if find_spec("kubernetes_validate") else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = {outcome: len(terminalreporter.stats.get(outcome, [])) for outcome in ("passed", "failed", "error")}
    terminalreporter.config.add_cleanup(
        lambda: print(f"{counts['passed']} passed, {counts['failed'] + counts['error']} failed")  # noqa: T201
    )
