from __future__ import annotations

import hashlib
import random
import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maskforge.checkpoints.download import Patience, copy_local, download
from maskforge.checkpoints.official_files import OFFICIAL_FILES, CheckpointFile
from maskforge.checkpoints.partial import open_partial
from maskforge.errors import DownloadFailed, NotEnoughSpace, WrongDigest
from maskforge.sam.variants import VARIANTS
from tests.unit.forge.checkpoints.mirror import Answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.forge.checkpoints.mirror import Mirror

SIZE = 400_000
BYTES = random.Random(1).randbytes(SIZE)  # noqa: S311
OTHER = random.Random(2).randbytes(SIZE)  # noqa: S311
FILE = CheckpointFile("sam.pth", f"sha256:{hashlib.sha256(BYTES).hexdigest()}")
HURRIED = Patience(attempts=3, worthwhile=1000, backoff=0.001, connect=2.0, read=0.2)


@pytest.fixture
def mirrors() -> Iterator[list[Mirror]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(BYTES)) for _ in range(2)]


@pytest.fixture
def mirror(mirrors: list[Mirror]) -> Mirror:
    return mirrors[0]


def _pull(folder: Path, *mirrors: Mirror, patience: Patience = HURRIED) -> Path:
    return download(FILE, [mirror.url for mirror in mirrors], folder, patience=patience)


def _failure(folder: Path, *mirrors: Mirror) -> DownloadFailed:
    with pytest.raises(DownloadFailed) as caught:
        _pull(folder, *mirrors)
    return caught.value


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# What Meta published


def test_every_variant_has_a_file() -> None:
    """Each published size can be pulled, and is checked against a whole digest."""
    assert VARIANTS.keys() == OFFICIAL_FILES.keys()
    assert {len("sha256:") + 64} == {len(file.digest) for file in OFFICIAL_FILES.values()}


# A good day


def test_a_file_is_downloaded(tmp_path: Path, mirror: Mirror) -> None:
    """The file lies under its name in a folder that is made for it, and nothing lies beside it."""
    assert tmp_path / "new" / "sam.pth" == _pull(tmp_path / "new", mirror)

    assert {"sam.pth": BYTES} == _contents(tmp_path / "new")
    assert ["/files/sam.pth"] == [request.path for request in mirror.asked]


def test_a_file_that_is_there_is_not_downloaded(tmp_path: Path, mirror: Mirror) -> None:
    """Where the right bytes are there already, nobody is asked."""
    (tmp_path / "sam.pth").write_bytes(BYTES)

    assert tmp_path / "sam.pth" == _pull(tmp_path, mirror)

    assert [] == mirror.asked


def test_another_file_of_that_name_is_not_replaced(tmp_path: Path, mirror: Mirror) -> None:
    """What somebody has put there stays; the error says what to do."""
    (tmp_path / "sam.pth").write_bytes(OTHER)

    failure = _failure(tmp_path, mirror)

    assert isinstance(failure, WrongDigest)
    assert "remove it, or choose another folder" in str(failure)
    assert {"sam.pth": OTHER} == _contents(tmp_path)


def test_progress_is_told(tmp_path: Path, mirror: Mirror) -> None:
    """Every block is told, with the size of the whole; after a break the count goes on."""
    mirror.will(Answer(cut_after=100_000))
    told: list[tuple[int, int | None]] = []

    download(FILE, [mirror.url], tmp_path, patience=HURRIED, progress=lambda *now: told.append(now))

    assert {SIZE} == {total for _, total in told}
    assert sorted(told) == told
    assert (SIZE, SIZE) == told[-1]


def test_a_server_that_does_not_say_how_much(tmp_path: Path, mirror: Mirror) -> None:
    """A file of unknown length is downloaded all the same."""
    mirror.will(Answer(announce=False))

    assert BYTES == _pull(tmp_path, mirror).read_bytes()


def test_redirections_are_followed(tmp_path: Path, mirrors: list[Mirror]) -> None:
    """A mirror may send its clients elsewhere."""
    mirrors[0].will(Answer(status=302, location=f"{mirrors[1].url}/moved"))

    assert BYTES == _pull(tmp_path, mirrors[0]).read_bytes()
    assert "/files/moved" == mirrors[1].asked[0].path


# Connections that break


def test_a_broken_download_goes_on(tmp_path: Path, mirror: Mirror) -> None:
    """After a break only what is missing is asked for, of the same file."""
    mirror.will(Answer(cut_after=100_000), Answer(cut_after=50_000))

    assert BYTES == _pull(tmp_path, mirror).read_bytes()

    assert [None, "bytes=100000-", "bytes=150000-"] == mirror.ranges
    assert [None, '"first"', '"first"'] == [request.if_range for request in mirror.asked]


def test_breaks_that_bring_something_are_no_failures(tmp_path: Path, mirror: Mirror) -> None:
    """A connection may break more often than there are attempts, as long as each brings something."""
    mirror.will(*[Answer(cut_after=50_000)] * 7)

    assert BYTES == _pull(tmp_path, mirror).read_bytes()
    assert 8 == len(mirror.asked)


def test_breaks_that_bring_nothing_end(tmp_path: Path, mirror: Mirror) -> None:
    """A server that knows no ranges and breaks each time is given up, though every attempt brings bytes."""
    mirror.will(*[Answer(cut_after=50_000 + 10 * n % 20, ranges=False) for n in range(20)])

    assert "peer closed connection" in str(_failure(tmp_path, mirror))
    assert HURRIED.attempts + 1 == len(mirror.asked)


def test_another_run_goes_on(tmp_path: Path, mirror: Mirror) -> None:
    """What one run has brought, the next one need not bring again."""
    mirror.will(Answer(cut_after=100_000), *[Answer(status=500)] * 3)
    _failure(tmp_path, mirror)
    assert {"sam.pth.partial": BYTES[:100_000]} == _contents(tmp_path)

    _pull(tmp_path, mirror)

    assert {"sam.pth": BYTES} == _contents(tmp_path)
    assert "bytes=100000-" == mirror.ranges[-1]


def test_another_mirror_goes_on(tmp_path: Path, mirrors: list[Mirror]) -> None:
    """What one mirror has brought, the next one need not bring again; the first one's validator is not shown to it."""
    first, second = mirrors
    first.will(Answer(cut_after=100_000), *[Answer(status=503)] * 3)

    assert BYTES == _pull(tmp_path, first, second).read_bytes()

    assert [("bytes=100000-", None)] == [(request.range, request.if_range) for request in second.asked]


def test_a_server_without_ranges_starts_again(tmp_path: Path, mirror: Mirror) -> None:
    """A server that sends everything once more is understood so."""
    mirror.will(Answer(cut_after=100_000), Answer(ranges=False))

    assert BYTES == _pull(tmp_path, mirror).read_bytes()
    assert [None, "bytes=100000-"] == mirror.ranges


def test_a_file_that_changes_meanwhile_starts_again(tmp_path: Path, mirror: Mirror) -> None:
    """Where the validator has changed, the server sends the new file, and nothing of the old one is kept."""
    mirror.will(Answer(body=OTHER, etag='"old"', cut_after=100_000), Answer(etag='"new"'))

    assert BYTES == _pull(tmp_path, mirror).read_bytes()
    assert ('"old"', 2) == (mirror.asked[-1].if_range, len(mirror.asked))


def test_a_weak_validator_is_not_sent(tmp_path: Path, mirror: Mirror) -> None:
    """A weak validator does not vouch for bytes, and RFC 9110 forbids it here."""
    mirror.will(Answer(etag='W/"first"', cut_after=100_000))

    assert BYTES == _pull(tmp_path, mirror).read_bytes()
    assert None is mirror.asked[-1].if_range


def test_pieces_that_do_not_fit_are_dropped(tmp_path: Path, mirror: Mirror) -> None:
    """Where the file turns out to be made of two, it is downloaded once more, whole."""
    (tmp_path / "sam.pth.partial").write_bytes(OTHER[:100_000])

    assert BYTES == _pull(tmp_path, mirror).read_bytes()
    assert ["bytes=100000-", None] == mirror.ranges


def test_a_download_that_only_lacked_its_name(tmp_path: Path, mirror: Mirror) -> None:
    """Where every byte is there, the server says that there is no more, and the file gets its name."""
    (tmp_path / "sam.pth.partial").write_bytes(BYTES)

    assert BYTES == _pull(tmp_path, mirror).read_bytes()
    assert [f"bytes={SIZE}-"] == mirror.ranges


def test_more_than_the_file_is_dropped(tmp_path: Path, mirror: Mirror) -> None:
    """A partial file that is longer than the file cannot be its beginning."""
    (tmp_path / "sam.pth.partial").write_bytes(BYTES + b"more")

    assert BYTES == _pull(tmp_path, mirror).read_bytes()
    assert [f"bytes={SIZE + 4}-", None] == mirror.ranges


def test_a_range_that_was_not_asked_for_is_refused(tmp_path: Path, mirror: Mirror) -> None:
    """Bytes from elsewhere in the file are not appended."""
    mirror.will(Answer(cut_after=100_000), Answer(shift=5))

    assert "the server sends the bytes from 100005, not from 100000" in str(_failure(tmp_path, mirror))
    assert {"sam.pth.partial": BYTES[:100_000]} == _contents(tmp_path)


# Servers that fail


def test_a_server_that_recovers(tmp_path: Path, mirror: Mirror) -> None:
    """Errors of the server, and being asked to wait, are tried again."""
    mirror.will(Answer(status=503), Answer(status=429))

    assert BYTES == _pull(tmp_path, mirror).read_bytes()


def test_a_server_that_does_not(tmp_path: Path, mirror: Mirror) -> None:
    """After so many attempts the error says what the server said, and leaves nothing."""
    mirror.will(*[Answer(status=500)] * 9)

    failure = _failure(tmp_path, mirror)

    assert f"{mirror.url}: the server answers 500 Internal Server Error" == str(failure)
    assert HURRIED.attempts == len(mirror.asked)
    assert {} == _contents(tmp_path)


def test_what_is_not_found_is_asked_for_once(tmp_path: Path, mirrors: list[Mirror]) -> None:
    """A refusal is final; the next mirror is asked."""
    mirrors[0].will(Answer(status=404))

    assert BYTES == _pull(tmp_path, *mirrors).read_bytes()
    assert [1, 1] == [len(mirror.asked) for mirror in mirrors]


def test_a_silent_server_is_given_up(tmp_path: Path, mirror: Mirror) -> None:
    """A server that takes the call and says nothing costs a bounded time."""
    mirror.will(*[Answer(silence=5.0)] * 3)

    assert "timed out" in str(_failure(tmp_path, mirror))
    assert HURRIED.attempts == len(mirror.asked)


def test_nobody_is_there(tmp_path: Path, mirror: Mirror) -> None:
    """A mirror that is gone is no obstacle where another one is there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = replace(mirror, url=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert "Connection refused" in str(_failure(tmp_path, gone))

    assert BYTES == _pull(tmp_path, gone, mirror).read_bytes()


def test_every_failure_is_told(tmp_path: Path, mirrors: list[Mirror]) -> None:
    """Where no source has the file, the error says of each of them why."""
    mirrors[0].will(Answer(status=404))
    mirrors[1].will(Answer(status=403))

    assert [
        "no source gave sam.pth:",
        f"  {mirrors[0].url}: the server answers 404 Not Found",
        f"  {mirrors[1].url}: the server answers 403 Forbidden",
    ] == str(_failure(tmp_path, *mirrors)).splitlines()


def test_secrets_of_an_address_are_not_told(tmp_path: Path, mirror: Mirror) -> None:
    """An error shows neither the password nor the signature that an address may hold."""
    mirror.will(Answer(status=403))
    secret = replace(mirror, url=mirror.url.replace("//", "//user:secret@") + "?signature=secret")

    assert "secret" not in str(_failure(tmp_path, secret))


@pytest.mark.parametrize("source", ["ftp://127.0.0.1/files", "http://127.0.0.1:port", "nowhere"])
def test_an_address_that_is_none(tmp_path: Path, source: str) -> None:
    """What is no HTTP address is an error at once."""
    with pytest.raises(DownloadFailed):
        download(FILE, [source], tmp_path, patience=Patience(backoff=60))


# Bytes that are wrong


def test_wrong_bytes_leave_nothing(tmp_path: Path, mirror: Mirror) -> None:
    """A file with another digest is deleted, and the error names both digests."""
    mirror.will(Answer(body=OTHER))

    failure = _failure(tmp_path, mirror)

    assert isinstance(failure, WrongDigest)
    assert f"its digest is sha256:{hashlib.sha256(OTHER).hexdigest()}, not {FILE.digest}" in str(failure)
    assert {} == _contents(tmp_path)
    assert 1 == len(mirror.asked)


def test_wrong_bytes_are_one_mirrors_fault(tmp_path: Path, mirrors: list[Mirror]) -> None:
    """Another mirror may have the right ones."""
    mirrors[0].will(Answer(body=OTHER))

    assert BYTES == _pull(tmp_path, *mirrors).read_bytes()


# The disk


def test_a_full_disk_is_noticed_before(tmp_path: Path, mirror: Mirror) -> None:
    """A file that the disk cannot hold is not begun, and no other mirror is asked."""
    mirror.will(Answer(length=10**18))

    with pytest.raises(NotEnoughSpace, match=r"sam\.pth needs 953674316406 MiB more, but .* has \d+ MiB left"):
        _pull(tmp_path, mirror, mirror)

    assert {} == _contents(tmp_path)
    assert 1 == len(mirror.asked)


def test_a_folder_that_cannot_be_made(tmp_path: Path, mirror: Mirror) -> None:
    """Where nothing can be written, the error says so, and nothing is downloaded."""
    (tmp_path / "file").touch()

    assert "sam.pth.partial cannot be written" in str(_failure(tmp_path / "file", mirror))
    assert [] == mirror.asked


def test_two_at_once_do_not_mix(tmp_path: Path, mirror: Mirror) -> None:
    """While one process writes the file, another one is told so, and disturbs nothing."""
    with open_partial(tmp_path / "sam.pth") as partial:
        partial.write(BYTES[:10])

        assert "is being written by another process" in str(_failure(tmp_path, mirror))

    assert {"sam.pth.partial": BYTES[:10]} == _contents(tmp_path)


# A local file


def test_a_local_file_is_copied(tmp_path: Path) -> None:
    """A file that is here already is checked and copied, with progress, and stays where it was."""
    source = tmp_path / "elsewhere.bin"
    source.write_bytes(BYTES)
    told: list[tuple[int, int | None]] = []

    path = copy_local(FILE, source, tmp_path / "new", progress=lambda *now: told.append(now))

    assert {"sam.pth": BYTES} == _contents(tmp_path / "new")
    assert tmp_path / "new" / "sam.pth" == path
    assert (SIZE, SIZE) == told[-1]
    assert source.exists()


def test_a_local_file_with_other_bytes(tmp_path: Path) -> None:
    """A wrong file is named, and what has been downloaded of the right one stays."""
    source = tmp_path / "elsewhere.bin"
    source.write_bytes(OTHER)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "sam.pth.partial").write_bytes(BYTES[:10])

    with pytest.raises(WrongDigest, match=r"elsewhere\.bin is not the file that was asked for"):
        copy_local(FILE, source, tmp_path / "new")

    assert {"sam.pth.partial": BYTES[:10]} == _contents(tmp_path / "new")


def test_a_local_file_that_is_in_place(tmp_path: Path) -> None:
    """The file itself may be named: then it is only checked."""
    (tmp_path / "sam.pth").write_bytes(BYTES)

    copy_local(FILE, tmp_path / "sam.pth", tmp_path)

    assert {"sam.pth": BYTES} == _contents(tmp_path)
