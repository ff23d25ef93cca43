"""One of two is killed without a word, and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.balance.site import wait_until

if TYPE_CHECKING:
    from tests.balance.conftest import During
    from tests.balance.site import Site

EJECTED_SECONDS = 5.0
"""For Envoy to send it nothing more; it looks every second."""


def test_a_gateway_is_killed(site: Site, during: During) -> None:
    """No client sees more than a slow call; Envoy leaves the dead one out, and takes it back when it lives again."""
    killed, envoy = site.gateways[0], site.envoy
    with during("gateway killed") as clicks:
        killed.kill()
        wait_until(
            lambda: envoy.healthy("gateways_grpc") == envoy.healthy("gateways_rest") == 1, seconds=EJECTED_SECONDS
        )
        killed.start()
        site.settle("gateways_grpc", "gateways_rest")

    assert {} == clicks.failed


def test_a_triton_is_killed(site: Site, during: During) -> None:
    """The same of a Triton, of which gateways know no more than Envoy's address."""
    killed = site.tritons[0]
    with during("Triton killed") as clicks:
        killed.kill()
        wait_until(lambda: site.envoy.healthy("tritons") == 1, seconds=EJECTED_SECONDS)
        killed.stack.start("triton")
        site.settle("tritons")

    assert {} == clicks.failed
