from __future__ import annotations

import socket

import uvicorn

from maskgate.bootstrap.rest import Http, open_http_listener
from maskgate.bootstrap.servers import known_hosts, stop_http
from maskgate.settings import Settings
from tests.unit.transport.world import World


def test_names_matter_where_nothing_else_does() -> None:
    """Keys let a gateway be asked by any name, and so does `insecure` where none is given; else names count."""
    names = ("masks.example.com",)
    named = Settings(http_hosts=names, insecure=True)

    assert known_hosts(Settings(api_keys_file="keys.jsonl", http_hosts=names)) is None
    assert known_hosts(Settings(insecure=True)) is None
    assert [False, True] == [
        hosts is not None and "masks.example.com" in hosts for hosts in map(known_hosts, (Settings(), named))
    ]


async def test_streams_and_calls_share_the_time_to_end() -> None:
    """What streams take to end is not left to calls over HTTP: who stops the process waits for one drain."""
    quick, slow = [Http(uvicorn.Server(uvicorn.Config("nothing:app")), 0) for _ in range(2)]
    streams = World().streams
    with streams._place():
        await stop_http(slow, streams, drain=0.05)
    await stop_http(quick, streams, drain=9.5)

    assert (0, 10) == tuple(it.server.config.timeout_graceful_shutdown for it in (slow, quick))
    assert slow.server.should_exit


def test_answers_over_http_are_not_held_back() -> None:
    """Small writes leave at once: else the body of an answer waits 40 ms for its head to be acknowledged."""
    with open_http_listener(Settings(http_port=0)) as listener:
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
