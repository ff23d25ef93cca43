from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.image import ImageId, ImageSize
from tests.fakes import SPEC

TENSOR = bytes(range(256)) * 2
EMBEDDING = Embedding(ImageSize(640, 427), TENSOR)
IMAGE_ID = ImageId.of(b"photo")
KEY = EmbeddingKey.of(IMAGE_ID, SPEC)


@given(width=st.integers(1, 2**31), height=st.integers(1, 2**31), tensor=st.binary(max_size=100))
def test_round_trip(width: int, height: int, tensor: bytes) -> None:
    """What was serialised is read back as it was."""
    embedding = Embedding(ImageSize(width, height), tensor)

    assert embedding == Embedding.from_bytes(embedding.to_bytes())


@pytest.mark.parametrize("length", [0, 3, 23, 24, 25, 24 + len(TENSOR) - 1])
def test_truncated_bytes_are_none(length: int) -> None:
    """Bytes that end early are no embedding."""
    assert Embedding.from_bytes(EMBEDDING.to_bytes()[:length]) is None


def test_bytes_too_many_are_none() -> None:
    """Bytes that go on are no embedding."""
    assert Embedding.from_bytes(EMBEDDING.to_bytes() + b"\0") is None


@pytest.mark.parametrize("position", [*range(24), 24, 300, 24 + len(TENSOR) - 1])
def test_a_damaged_byte_is_none(position: int) -> None:
    """A byte that changed anywhere, the image's size in the header included, is noticed."""
    data = bytearray(EMBEDDING.to_bytes())
    data[position] ^= 0x01

    assert Embedding.from_bytes(bytes(data)) is None


def test_another_version_is_none() -> None:
    """Bytes that an older or newer gateway wrote are no embedding."""
    data = EMBEDDING.to_bytes()

    assert Embedding.from_bytes(b"MGE0" + data[4:]) is None


def test_its_size_is_that_of_the_tensor() -> None:
    """The memory that an embedding takes is counted by its tensor."""
    assert len(TENSOR) == EMBEDDING.size_bytes


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, image_id=ImageId.of(b"another photo")),
        replace(KEY, model="other"),
        replace(KEY, weights_digest="sha256:" + "1" * 64),
        replace(KEY, precision="bf16"),
        replace(KEY, preprocessing="longest-side-bilinear/2"),
    ],
)
def test_keys_differ_in_every_component(other: EmbeddingKey) -> None:
    """Other weights, another precision or preprocessing never read an embedding that is not theirs."""
    assert other != KEY
    assert str(other) != str(KEY)


def test_key_names_all_of_a_spec() -> None:
    """A key consists of the image's identifier and of what the spec says of weights, precision and preprocessing."""
    expected = f"{IMAGE_ID}|tiny|{SPEC.weights_digest}|fp32|longest-side-bilinear/1"

    assert expected == str(KEY)
