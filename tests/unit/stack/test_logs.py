from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.stack.logs import LogFollower, tail

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
