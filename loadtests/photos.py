"""Photos that nobody has uploaded yet."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from random import Random

FOLDER: Final = Path(__file__).parent.parent / "docs" / "photos"
_COMMENT: Final = b"\xff\xfe"
_serial = count()
_run = uuid4().hex


def fresh(random: Random) -> bytes:
    """One of the photos of docs/ with a comment that makes it another file: its embedding is cached nowhere."""
    photo = random.choice(sorted(FOLDER.glob("*.jpg"))).read_bytes()
    comment = f"{_run} {next(_serial)}".encode()
    return photo[:2] + _COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


def spot(random: Random) -> tuple[float, float]:
    """A place near the middle of a photo, in fractions, where people click."""
    return random.uniform(0.2, 0.8), random.uniform(0.2, 0.8)
