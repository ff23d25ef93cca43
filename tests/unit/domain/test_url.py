from __future__ import annotations

import pytest

from maskgate.domain.errors import InvalidImageUrl
from maskgate.domain.url import AllowedHosts, ImageUrl, is_public


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com/a.png", ("example.com", "/a.png")),
        ("https://example.com", ("example.com", "/")),
        ("https://example.com?size=1", ("example.com", "/?size=1")),
        ("HTTPS://Example.COM:443/A?b=%20#c", ("example.com", "/A?b=%20")),
        ("https://xn--bcher-kva.example/a@b:c", ("xn--bcher-kva.example", "/a@b:c")),
    ],
)
def test_addresses_that_are_read(text: str, expected: tuple[str, str]) -> None:
    """Host and target are told apart; the rest says nothing."""
    url = ImageUrl.parse(text)

    assert expected == (url.host, url.target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/a.png",
        "http://example.com/a.png",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "https://",
        "https:///a.png",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com:8443/",
        "https://example.com:443@evil.example/",
        "https://example.com\\@evil.example/",
        "https://[::1]/",
        "https://example..com/",
        "https://-example.com/",
        "https://bücher.example/",
        "https://example.com/a b",
        "https://example.com/\r\nHost: evil",
        "https://example.com/\n",
        " https://example.com/",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_addresses_that_are_refused(text: str) -> None:
    """Another scheme or port, a user, a name or path with what does not belong there."""
    with pytest.raises(InvalidImageUrl):
        ImageUrl.parse(text)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/b.png", "https://example.com/b.png"),
        ("b.png", "https://example.com/a/b.png"),
        ("//c.example/", "https://c.example/"),
    ],
)
def test_redirects_are_read_like_links(location: str, expected: str) -> None:
    """A redirect may name its target by what differs."""
    assert expected == str(ImageUrl.parse("https://example.com/a/a.png").redirected(location))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("example.com", True),
        ("img.example.org", True),
        ("a.b.example.org", True),
        ("example.org", False),
        ("img.example.com", False),
        ("badexample.org", False),
        ("example.com.evil.example", False),
    ],
)
def test_which_hosts_are_allowed(host: str, allowed: bool) -> None:  # noqa: FBT001
    """A name allows itself, and one with a star all names below it."""
    hosts = AllowedHosts(["example.com", "*.example.org"])

    try:
        hosts.check(ImageUrl.parse(f"https://{host}/"))
    except InvalidImageUrl:
        assert not allowed
    else:
        assert allowed


def test_without_any_host_nothing_is_allowed() -> None:
    """Where an operator names no host, no image is fetched."""
    with pytest.raises(InvalidImageUrl):
        AllowedHosts([]).check(ImageUrl.parse("https://example.com/"))


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::"],
)
def test_public_addresses(address: str) -> None:
    """Those of the internet, also where an IPv6 address stands for an IPv4 one."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",  # noqa: S104 - nobody binds to it
        ),
        *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.0.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1"),
        *("2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:7f00:1::", "64:ff9b:1::1", "example.com", ""),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    """Loopback, private, link-local, shared, multicast, reserved, and all that stand for one of them."""
    assert not is_public(address)
