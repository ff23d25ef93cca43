"""Where an image that is to be encoded comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeptSource:
    """An image that is kept, by its identifier as it was sent."""

    image_id: str


@dataclass(frozen=True, slots=True)
class ContentSource:
    """The bytes of a file."""

    content: bytes


@dataclass(frozen=True, slots=True)
class UrlSource:
    """An address to fetch a file from, as it was sent."""

    url: str


ImageSource = KeptSource | ContentSource | UrlSource
