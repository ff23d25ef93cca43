"""Certificates for tests of TLS, made with the standard library: X.509 (RFC 5280) signed by ECDSA on P-256 (SEC 1)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_Point = tuple[int, int] | None

# The curve P-256 (SEC 2, section 2.4.2).
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _TEXT, _TIME, _TRUE = 0x30, 0x31, 2, 3, 4, 12, 23, b"\x01\x01\xff"
_ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")
_EC_PUBLIC_KEY, _P256 = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06082a8648ce3d030107")
_COMMON_NAME = bytes.fromhex("0603550403")
_SUBJECT_KEY, _KEY_USAGE, _ALT_NAME, _CONSTRAINTS, _AUTHORITY_KEY = (
    bytes([6, 3, 85, 29, n]) for n in (14, 15, 17, 19, 35)
)


@dataclass(frozen=True)
class Issued:
    """Files of a certificate and its key."""

    cert: Path
    key: Path


class _Key:
    def __init__(self) -> None:
        self.secret = secrets.randbelow(_N - 1) + 1
        self.public = b"\x04" + b"".join(each.to_bytes(32) for each in _times(self.secret))
        self.name = hashlib.sha1(self.public, usedforsecurity=False).digest()

    def pem(self) -> str:
        parts = [_der(_INTEGER, b"\x01"), _der(_OCTETS, self.secret.to_bytes(32)), _der(0xA0, _P256)]
        return _pem("EC PRIVATE KEY", _der(_SEQUENCE, *parts))

    def sign(self, data: bytes) -> bytes:
        number = secrets.randbelow(_N - 1) + 1
        r = _times(number)[0] % _N
        s = pow(number, -1, _N) * (int.from_bytes(hashlib.sha256(data).digest()) + r * self.secret) % _N
        return _der(_SEQUENCE, _integer(r), _integer(s))


class Authority:
    """Issues certificates for this machine, and its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._key = _Key()
        self.cert = folder / f"{name}.pem"
        self.cert.write_text(self._certificate(name, self._key, authority=True))

    def issue(self, name: str) -> Issued:
        key = _Key()
        issued = Issued(self._folder / f"{name}.cert.pem", self._folder / f"{name}.key.pem")
        issued.cert.write_text(self._certificate(name, key, authority=False))
        issued.key.write_text(key.pem())
        return issued

    def _certificate(self, name: str, key: _Key, *, authority: bool) -> str:
        signature_by = _der(_SEQUENCE, _ECDSA_SHA256)
        body = _der(
            _SEQUENCE,
            _der(0xA0, _der(_INTEGER, b"\x02")),  # version 3
            _integer(secrets.randbits(100)),
            signature_by,
            _named(self._name),
            _der(_SEQUENCE, _der(_TIME, b"200101000000Z"), _der(_TIME, b"490101000000Z")),
            _named(name),
            _der(_SEQUENCE, _der(_SEQUENCE, _EC_PUBLIC_KEY, _P256), _der(_BITS, b"\0", key.public)),
            _der(0xA3, _der(_SEQUENCE, *self._extensions(key, authority=authority))),
        )
        return _pem("CERTIFICATE", _der(_SEQUENCE, body, signature_by, _der(_BITS, b"\0", self._key.sign(body))))

    def _extensions(self, key: _Key, *, authority: bool) -> list[bytes]:
        usage = b"\x01\x06" if authority else b"\x07\x80"  # signs certificates and their lists, or handshakes
        return [
            _extension(_CONSTRAINTS, _der(_SEQUENCE, _TRUE if authority else b""), critical=True),
            _extension(_KEY_USAGE, _der(_BITS, usage), critical=True),
            _extension(_SUBJECT_KEY, _der(_OCTETS, key.name)),
            _extension(_AUTHORITY_KEY, _der(_SEQUENCE, _der(0x80, self._key.name))),
            _extension(_ALT_NAME, _der(_SEQUENCE, _der(0x82, b"localhost"), _der(0x87, bytes([127, 0, 0, 1])))),
        ]


def _extension(kind: bytes, value: bytes, *, critical: bool = False) -> bytes:
    return _der(_SEQUENCE, kind, _TRUE if critical else b"", _der(_OCTETS, value))


def _named(name: str) -> bytes:
    return _der(_SEQUENCE, _der(_SET, _der(_SEQUENCE, _COMMON_NAME, _der(_TEXT, name.encode()))))


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def _der(tag: int, *parts: bytes) -> bytes:
    """Tag, length and value (X.690)."""
    value = b"".join(parts)
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8)
    return bytes([tag, *([len(value)] if len(value) < 128 else [0x80 + len(size), *size])]) + value


def _pem(label: str, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def _times(factor: int) -> tuple[int, int]:
    """Multiply the curve's base point; the factor is below its order, so it is a point and not infinity."""
    total: _Point = None
    power: _Point = _G
    while factor:
        if factor & 1:
            total = _plus(total, power)
        power = _plus(power, power)
        factor >>= 1
    assert total is not None
    return total


def _plus(one: _Point, other: _Point) -> _Point:
    if one is None or other is None:
        return other if one is None else one
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % _P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P) if one == other else (y2 - y1) * pow(x2 - x1, -1, _P)
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P
