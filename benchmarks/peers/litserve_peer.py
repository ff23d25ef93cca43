"""A LitServe server, as its documentation recommends: workers that each have the model, and the fast queue.

MASKGATE_PEER='{…}' python -m benchmarks.peers.litserve_peer PORT
"""

import sys
from typing import Any

from litserve import LitAPI, LitServer

from benchmarks.peers.decoders import Answer, Ask, Order


class Peer(LitAPI):  # type: ignore[misc] # LitServe is in an environment of its own
    """Decodes clicks."""

    def setup(self, device: str) -> None:
        """Load the model, once a worker."""
        del device
        self._decoder = Order.from_environment().open_decoder()

    def decode_request(self, request: dict[str, Any]) -> Ask:
        """Read a request's JSON."""
        return Ask(**request)

    def predict(self, ask: Ask) -> Answer:
        """Decode a click."""
        return self._decoder.decode(ask)


def main() -> None:
    """Serve until the process is ended."""
    workers = Order.from_environment().workers
    server = LitServer(Peer(), accelerator="cpu", workers_per_device=workers, fast_queue=True)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
