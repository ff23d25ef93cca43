"""A real HTTP server that has one file, and misbehaves as it is told."""

from __future__ import annotations

import re
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Answer:
    """How one request is answered; as it stands, by a good server."""

    body: bytes | None = None  # rather than the mirror's file
    status: int | None = None  # rather than the file
    location: str | None = None  # where to look instead
    etag: str | None = '"first"'
    ranges: bool = True
    shift: int = 0  # how far off a range starts
    cut_after: int | None = None  # bytes, then the connection breaks
    announce: bool = True  # the length
    length: int | None = None  # to announce rather than the true one
    silence: float = 0.0  # seconds before the answer


@dataclass(frozen=True)
class Asked:
    """What a client asked."""

    path: str
    range: str | None
    if_range: str | None


@dataclass
class Mirror:
    """What it has, how it will answer, and what it was asked. After the last answer it is a good server."""

    file: bytes
    answers: deque[Answer] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def will(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    @property
    def ranges(self) -> list[str | None]:
        return [request.range for request in self.asked]


@contextmanager
def serving(file: bytes) -> Iterator[Mirror]:
    """Serve a file under any name on a free port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.mirror = Mirror(file, url=f"http://127.0.0.1:{server.server_port}/files")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.mirror
    finally:
        server.mirror.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    mirror: Mirror


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        mirror = cast("_Server", self.server).mirror
        asked = Asked(self.path, self.headers.get("Range"), self.headers.get("If-Range"))
        mirror.asked.append(asked)
        answer = mirror.answers.popleft() if mirror.answers else Answer()
        mirror.closing.wait(answer.silence)
        self.close_connection = True
        if answer.status is None:
            self._send_file(answer, mirror.file if answer.body is None else answer.body, asked)
        else:
            self._send_status(answer, answer.status)

    def _send_status(self, answer: Answer, status: int) -> None:
        self.send_response(status)
        if answer.location:
            self.send_header("Location", answer.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_file(self, answer: Answer, file: bytes, asked: Asked) -> None:
        start = _start(asked, answer)
        if start is None:
            self.send_response(HTTPStatus.OK)
        elif start >= len(file):
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{len(file)}")
        else:
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {start}-{len(file) - 1}/{len(file)}")
        self._send_body(answer, file[start or 0 :])

    def _send_body(self, answer: Answer, body: bytes) -> None:
        if answer.etag:
            self.send_header("ETag", answer.etag)
        if answer.announce:
            self.send_header("Content-Length", str(answer.length or len(body)))
        self.end_headers()
        self.wfile.write(body[: answer.cut_after])

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


def _start(asked: Asked, answer: Answer) -> int | None:
    """Where the range that was asked for starts; None where the whole file is sent."""
    found = re.fullmatch(r"bytes=(\d+)-", asked.range or "")
    if not found or not answer.ranges or asked.if_range not in {None, answer.etag}:
        return None
    return int(found[1]) + answer.shift
