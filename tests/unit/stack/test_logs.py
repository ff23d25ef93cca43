from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.stack.logs import LogFollower, empty_long_ones, tail

if TYPE_CHECKING:
    from pathlib import Path


def test_tail_is_the_end(tmp_path: Path) -> None:
    """The tail is the last lines, also of a file longer than what is read of it."""
    log = tmp_path / "triton.log"
    log.write_text("".join(f"line {number}\n" for number in range(20_000)))

    assert "line 19998\nline 19999" == tail(log, lines=2)


def test_lines_come_once_and_whole(tmp_path: Path) -> None:
    """A line is passed on when it is complete, and only once, with its component's name."""
    log, follower = tmp_path / "triton.log", LogFollower(tmp_path)

    log.write_text("one\ntw")
    assert ["triton   | one"] == list(follower.new_lines())

    log.write_text("one\ntwo\n")
    assert ["triton   | two"] == list(follower.new_lines())

    assert [] == list(follower.new_lines())


def test_new_components_are_followed(tmp_path: Path) -> None:
    """A log that appears later is followed from its beginning."""
    follower = LogFollower(tmp_path)
    (tmp_path / "triton.log").write_text("a\n")
    list(follower.new_lines())

    (tmp_path / "gateway.log").write_text("b\n")

    assert ["gateway  | b"] == list(follower.new_lines())


def test_a_long_log_is_emptied(tmp_path: Path) -> None:
    """A log beyond its bound is emptied while its component has it open; what comes next is followed."""
    path, follower = tmp_path / "triton.log", LogFollower(tmp_path)
    with path.open("ab", buffering=0) as log:
        log.write(b"one two three\n")
        list(follower.new_lines())

        empty_long_ones(tmp_path, beyond=10)
        log.write(b"four\n")

    assert ["triton   | four"] == list(follower.new_lines())
    assert b"four\n" == path.read_bytes()


def test_a_short_log_is_kept(tmp_path: Path) -> None:
    """A log that is not beyond its bound stays as it is."""
    path = tmp_path / "triton.log"
    path.write_text("one two\n")

    empty_long_ones(tmp_path, beyond=8)

    assert "one two\n" == path.read_text()
