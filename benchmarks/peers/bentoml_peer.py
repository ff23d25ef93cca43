"""A BentoML service, as its documentation recommends: workers that each have the model.

MASKGATE_PEER='{…}' bentoml serve benchmarks.peers.bentoml_peer:Peer --port PORT
"""

from __future__ import annotations

import bentoml

from benchmarks.peers.decoders import Answer, Ask, Order

ORDER = Order.from_environment()
"""BentoML reads the number of workers when it imports the service."""


@bentoml.service(workers=ORDER.workers, traffic={"timeout": 60})
class Peer:
    """Decodes clicks."""

    def __init__(self) -> None:
        self._decoder = ORDER.open_decoder()

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, image: int, x: float, y: float) -> Answer:
        """Decode a click."""
        return self._decoder.decode(Ask(image, x, y))
