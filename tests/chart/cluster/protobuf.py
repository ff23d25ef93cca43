r"""Reads Secrets and ConfigMaps as Go clients send them: Kubernetes' protobuf, of which there are no Python classes.

The bytes are `k8s\0` and a runtime.Unknown (1: TypeMeta {1: apiVersion, 2: kind}, 2: the object), as in
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from google.protobuf.internal.decoder import _DecodeVarint  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from tests.chart.helm import Object

MAGIC: Final = b"k8s\0"
VARINT, LENGTH = 0, 2

Fields = list[tuple[int, bytes]]


def read_object(body: bytes) -> Object:
    """Read a Secret or a ConfigMap."""
    unknown = dict(_fields(body.removeprefix(MAGIC)))
    types, fields = dict(_fields(unknown[1])), _fields(unknown[2])
    document = {"apiVersion": types[1].decode(), "kind": types[2].decode(), "metadata": _metadata(_one(fields, 1))}
    data = _map(fields, 2)
    if document["kind"] == "Secret":
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        return document | {"data": encoded, "type": _one(fields, 3).decode()}
    return document | {"data": {key: value.decode() for key, value in data.items()}}


def _metadata(message: bytes) -> Object:
    fields = _fields(message)
    words = {"name": _one(fields, 1), "namespace": _one(fields, 3), "resourceVersion": _one(fields, 6)}
    labels = {key: value.decode() for key, value in _map(fields, 11).items()}
    return {key: value.decode() for key, value in words.items() if value} | {"labels": labels}


def _one(fields: Fields, number: int) -> bytes:
    return next((value for found, value in fields if found == number), b"")


def _map(fields: Fields, number: int) -> dict[str, bytes]:
    entries = [dict(_fields(value)) for found, value in fields if found == number]
    return {entry[1].decode(): entry.get(2, b"") for entry in entries}


def _fields(message: bytes) -> Fields:
    """The fields of a message that have a length; numbers say nothing here that counts."""
    found: Fields = []
    position = 0
    while position < len(message):
        tag, position = _DecodeVarint(message, position)
        size, position = _DecodeVarint(message, position)
        if tag & 7 == LENGTH:
            found.append((tag >> 3, message[position : position + size]))
            position += size
        elif tag & 7 != VARINT:
            raise ValueError(f"a field of wire type {tag & 7}")
    return found
