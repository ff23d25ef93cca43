from __future__ import annotations

import pytest

from maskgate.bootstrap import authority


@pytest.mark.parametrize(
    ("expected", "host"),
    [("127.0.0.1:80", "127.0.0.1"), ("gateway:80", "gateway"), ("[::1]:80", "::1"), ("[::]:80", "::")],
)
def test_addresses_are_printed_as_urls_have_them(expected: str, host: str) -> None:
    """An IPv6 address gets brackets, so that its port can be told apart."""
    assert expected == authority(host, 80)
