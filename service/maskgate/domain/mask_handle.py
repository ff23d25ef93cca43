"""Handles: names of masks that were answered, for prompts that start from one without sending its logits."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskgate.domain.errors import MaskHandleNotFound

if TYPE_CHECKING:
    from maskgate.domain.embedding import EmbeddingKey

_RANDOM_BYTES = 16
"""Nobody guesses 128 bits, so that a handle needs no signature."""
_PATTERN = re.compile("mh_[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class MaskHandle:
    """`mh_` and 22 random characters of base64url."""

    text: str

    def __str__(self) -> str:
        return self.text

    @classmethod
    def new(cls) -> MaskHandle:
        """Make one that nobody has."""
        return cls(f"mh_{secrets.token_urlsafe(_RANDOM_BYTES)}")

    @classmethod
    def parse(cls, text: str) -> MaskHandle:
        """Read a handle that a client sent.

        Raises:
            MaskHandleNotFound: The text has another form, so that nothing can be kept under it.
        """
        if not _PATTERN.fullmatch(text):
            raise mask_handle_not_found(text)
        return cls(text)


@dataclass(frozen=True, slots=True)
class MaskAddress:
    """Where the logits of a mask are kept: under its handle together with all that they belong to.

    So a handle means nothing for another image, another model, another engine or another tenant: there is nothing at
    that address, and nobody learns whether there is something at another.

    Attributes:
        handle: The mask's name.
        key: The embedding that it was decoded from.
        tenant: The name of whom it was answered to.
    """

    handle: MaskHandle
    key: EmbeddingKey
    tenant: str

    def __str__(self) -> str:
        return f"{self.handle}|{self.key}|{self.tenant}"


def mask_handle_not_found(handle: MaskHandle | str) -> MaskHandleNotFound:
    """Say that a mask is not kept, and what to do about it; whatever the cause, the words are the same."""
    return MaskHandleNotFound(
        "No mask of this image and model is kept under this handle (any more): ask again without it.",
        mask_handle=handle,
    )
