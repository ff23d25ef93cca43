"""`pytest -p tests.closing_line` ends with `N passed, N failed`, for who reads the last line alone."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    OUTCOMES: pytest.StashKey[Counter[str]]

OUTCOMES = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    outcomes = config.stash[OUTCOMES] = Counter()
    config.pluginmanager.register(_Counting(outcomes))


def pytest_unconfigure(config: pytest.Config) -> None:
    outcomes = config.stash[OUTCOMES]
    sys.stdout.write(f"{outcomes['passed']} passed, {outcomes['failed']} failed\n")


class _Counting:
    def __init__(self, outcomes: Counter[str]) -> None:
        self._outcomes = outcomes

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:  # what fails before or after a test is a failure, too
            self._outcomes[report.outcome] += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._outcomes["failed"] += 1
