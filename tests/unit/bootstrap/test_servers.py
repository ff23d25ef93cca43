from __future__ import annotations

import socket

from maskgate.bootstrap.rest import open_http_listener
from maskgate.bootstrap.servers import known_hosts
from maskgate.settings import Settings


def test_names_matter_where_nothing_else_does() -> None:
    """Keys let a gateway be asked by any name, and so does `insecure` where none is given; else names count."""
    names = ("masks.example.com",)
    named = Settings(http_hosts=names, insecure=True)

    assert known_hosts(Settings(api_keys_file="keys.jsonl", http_hosts=names)) is None
    assert known_hosts(Settings(insecure=True)) is None
    assert [False, True] == [
        hosts is not None and "masks.example.com" in hosts for hosts in map(known_hosts, (Settings(), named))
    ]


def test_answers_over_http_are_not_held_back() -> None:
    """Small writes leave at once: else the body of an answer waits 40 ms for its head to be acknowledged."""
    with open_http_listener(Settings(http_port=0)) as listener:
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
