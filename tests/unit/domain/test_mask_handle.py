from __future__ import annotations

import re

import pytest

from maskgate.domain.errors import MaskHandleNotFound
from maskgate.domain.mask_handle import MaskHandle


def test_handles_are_unguessable_names() -> None:
    """128 random bits in base64url: no two are the same, and each is read as it is written."""
    handles = [MaskHandle.new() for _ in range(1000)]

    assert 1000 == len(set(handles))
    assert all(re.fullmatch(r"mh_[A-Za-z0-9_-]{22}", str(handle)) for handle in handles)
    assert handles == [MaskHandle.parse(str(handle)) for handle in handles]


@pytest.mark.parametrize("text", ["", "mh_", "mh_" + "A" * 21, "mh_" + "A" * 23, "MH_" + "A" * 22, f"mh_{'A' * 22}\n"])
def test_what_has_another_form_is_not_found(text: str) -> None:
    """Nothing can be kept under what is no handle, so it need not be looked for."""
    with pytest.raises(MaskHandleNotFound):
        MaskHandle.parse(text)
