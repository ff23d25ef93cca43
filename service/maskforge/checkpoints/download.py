"""Brings a checkpoint into a folder: from the first source that gives it, or from a local file."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from maskforge.checkpoints.partial import Partial, check_digest, open_partial
from maskforge.checkpoints.transfer import Progress, fetch
from maskforge.errors import DownloadFailed, WrongDigest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from maskforge.checkpoints.official_files import CheckpointFile

_log = logging.getLogger(__name__)

_BLOCK: Final = 1 << 20
_TEMPORARY: Final = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and how often.

    Attributes:
        attempts: Failures in a row that a source may have before the next one is asked.
        worthwhile: Bytes that an attempt must bring for it not to count as a failure: on a connection that breaks
            every 100 MB, ViT-H takes 26 attempts.
        backoff: Seconds before the second attempt, doubled before each further one.
        connect: Seconds to wait for a connection.
        read: Seconds without a byte.
    """

    attempts: int = 5
    worthwhile: int = 1 << 20
    backoff: float = 1.0
    connect: float = 10.0
    read: float = 30.0


PATIENT: Final = Patience()


def _untold(_done: int, _total: int | None) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file on its way: what every attempt needs.

    Attributes:
        file: What is wanted.
        client: Talks to the sources.
        partial: What has come so far, from whichever source.
        patience: When to give up on a source.
        progress: Is told of every block.
    """

    file: CheckpointFile
    client: httpx.Client
    partial: Partial
    patience: Patience
    progress: Progress

    def from_any(self, sources: Sequence[str]) -> None:
        """Take the file from the first source that gives the right bytes."""
        failures = []
        for source in sources:
            try:
                return self._from_one(f"{source.rstrip('/')}/{self.file.name}")
            except DownloadFailed as error:
                failures.append(type(error)(f"{_shown(source)}: {error}"))
        if len(failures) == 1:
            raise failures[0]
        raise DownloadFailed(f"no source gave {self.file.name}:\n" + "\n".join(f"  {error}" for error in failures))

    def _from_one(self, url: str) -> None:
        self.partial.adopt()
        self._complete(url)
        pieced = self.partial.pieced
        try:
            self.partial.publish(self.file.digest)
        except WrongDigest:
            if not pieced:
                raise
            _log.info("the pieces of %s do not fit together; starting again", self.file.name)
            self._complete(url)
            self.partial.publish(self.file.digest)

    def _complete(self, url: str) -> None:
        """Fetch until nothing is missing, or patience ends."""
        failures, best = 0, self.partial.size
        while True:
            try:
                return fetch(self.client, url, self.partial, self.progress)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                brought = self.partial.size - best
                failures = 0 if brought >= self.patience.worthwhile else failures + 1
                best = max(best, self.partial.size)
                if failures >= self.patience.attempts or not _is_temporary(error):
                    raise DownloadFailed(_reason(error)) from error
                self._pause(failures, error)

    def _pause(self, failures: int, error: Exception) -> None:
        seconds = self.patience.backoff * 2 ** max(failures - 1, 0)
        _log.info("%s: %s; trying again in %.0f s", self.file.name, _reason(error), seconds)
        time.sleep(seconds)


def download(
    file: CheckpointFile,
    sources: Sequence[str],
    folder: Path,
    *,
    progress: Progress = _untold,
    patience: Patience = PATIENT,
) -> Path:
    """Download a file, from where an earlier attempt stopped; return where it is.

    Args:
        file: What to download; it is looked for under its name at every source.
        sources: HTTP addresses of folders, asked in this order.
        folder: Where the file goes. If it is there already, nothing is downloaded.
        progress: Is told of every block.
        patience: When to give up on a source.

    Raises:
        DownloadFailed: No source gave the file.
        WrongDigest: What is there under this name, or what the only source gave, is another file.
        NotEnoughSpace: The disk cannot hold it.
    """
    target = folder / file.name
    if not _is_there(target, file):
        timeout = httpx.Timeout(patience.read, connect=patience.connect)
        with open_partial(target) as partial, httpx.Client(timeout=timeout, follow_redirects=True) as client:
            Download(file, client, partial, patience, progress).from_any(sources)
    return target


def copy_local(file: CheckpointFile, source: Path, folder: Path, *, progress: Progress = _untold) -> Path:
    """Copy a file that is on this machine already, as `download` does, and check it; return where it is."""
    target = folder / file.name
    if not _is_there(target, file):
        check_digest(source, file.digest)
        with open_partial(target) as partial:
            _copy(source, partial, progress)
            partial.publish(file.digest)
    return target


def _is_there(target: Path, file: CheckpointFile) -> bool:
    """Look for the file; another one under its name was put there by somebody, and is not replaced."""
    if not target.exists():
        return False
    try:
        check_digest(target, file.digest)
    except WrongDigest as error:
        raise WrongDigest(f"{error}; remove it, or choose another folder") from error
    return True


def _copy(source: Path, partial: Partial, progress: Progress) -> None:
    total = source.stat().st_size
    partial.restart()
    partial.reserve(total)
    with source.open("rb") as opened:
        while block := opened.read(_BLOCK):
            partial.write(block)
            progress(partial.size, total)


def _is_temporary(error: Exception) -> bool:
    """Tell whether the same request may succeed later."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error or error.response.status_code in _TEMPORARY
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answers {error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__


def _shown(source: str) -> str:
    """Leave out what may be secret: a password before the host, a signature in the query."""
    return re.sub("//[^/]*@", "//", source.partition("?")[0])
