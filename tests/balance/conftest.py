"""`make balance-test`: a site that is started once, a crowd that clicks on it, and the figures at the end."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from maskgate.client import Client
from tests import pictures
from tests.balance.clicks import Crowd
from tests.balance.figures import Figures
from tests.balance.site import Tritons, running_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from maskgate.domain.image import ImageId
    from tests.balance.clicks import Clicks
    from tests.balance.site import Site

    During = Callable[[str], AbstractContextManager[Clicks]]

IMAGES = 4
CALM_SECONDS = 2.0
MEASURED = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEASURED] = Figures()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "balance" in item.path.parts:
            item.add_marker(pytest.mark.balance)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash[MEASURED]
    if figures.rows:
        figures.write()
        terminalreporter.section("clicks while the site was disturbed")
        terminalreporter.write_line(figures.table())


@pytest.fixture(scope="session", params=Tritons, ids=lambda reached: reached.name.lower())
def site(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), request.param) as running:
        yield running


@pytest.fixture
def images(site: Site) -> list[ImageId]:
    """Images that have been clicked on; a Valkey that was restarted in between has forgotten them."""
    with Client(site.address) as client:
        known = [client.image(pictures.png(320 + number, 240)) for number in range(IMAGES)]
        for image in known:
            image.segment(points=[(60, 60)])
        return [image.id for image in known]


@pytest.fixture
def during(site: Site, images: list[ImageId], request: pytest.FixtureRequest) -> During:
    """Click at a steady rate while the context is open, and a while before and after; the figures go by a name."""
    figures = request.config.stash[MEASURED]

    @contextmanager
    def clicking(name: str) -> Iterator[Clicks]:
        began, retried = time.monotonic(), site.envoy.retried()
        with Crowd(site.address, images) as crowd:
            time.sleep(CALM_SECONDS)
            yield crowd.clicks
            time.sleep(CALM_SECONDS)
        figures.add(
            f"{name}, {site.reached.value}",
            crowd.clicks,
            seconds=time.monotonic() - began,
            retried=site.envoy.retried() - retried,
        )

    return clicking
