from __future__ import annotations

import socket

from maskgate.bootstrap.rest import open_http_listener
from maskgate.settings import Settings


def test_answers_over_http_are_not_held_back() -> None:
    """Small writes leave at once: else the body of an answer waits 40 ms for its head to be acknowledged."""
    with open_http_listener(Settings(http_port=0)) as listener:
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
