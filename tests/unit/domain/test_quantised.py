from __future__ import annotations

import numpy as np
import pytest

from maskgate.domain.embedding import Embedding, EmbeddingStorage
from maskgate.domain.image import ImageSize
from maskgate.domain.quantised import dequantise, quantise, quantised_size

INT8 = EmbeddingStorage.INT8
SIZE = ImageSize(40, 30)


def tensor(values: np.ndarray) -> bytes:
    return values.astype("<f2").tobytes()


DRAWN = np.random.default_rng(3).normal(size=(8, 64)) * np.array([1e-8, 1e-6, 1e-3, 0.1, 1, 10, 1e3, 2e4])[:, None]


def test_numbers_come_back_by_their_blocks() -> None:
    """Each number comes back to half a 127th of the largest of its block, whatever the others are."""
    data = quantise(tensor(DRAWN))

    assert data is not None
    assert quantised_size(DRAWN.size * 2) == len(data) == 8 * 66
    found = np.frombuffer(dequantise(data), "<f2").reshape(DRAWN.shape).astype(float)
    exact = np.frombuffer(tensor(DRAWN), "<f2").reshape(DRAWN.shape).astype(float)
    bound = np.abs(exact).max(axis=1, keepdims=True) / 127
    assert (np.abs(found - exact) <= 0.55 * bound + 1e-5).all()


def test_what_is_written_again_stays_as_it_is() -> None:
    """Reading int8 and writing it again loses nothing more to speak of: errors do not add up between gateways."""
    once = dequantise(quantise(tensor(DRAWN[2:])) or b"")
    twice = dequantise(quantise(once) or b"")

    np.testing.assert_allclose(np.frombuffer(twice, "<f2"), np.frombuffer(once, "<f2"), rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [np.zeros(0), np.zeros(63), np.full(64, np.nan), np.array([np.inf, *[0] * 63])],
    ids=["none", "less than a block", "no numbers", "infinity"],
)
def test_what_cannot_be_int8_is_written_as_it_is(values: np.ndarray) -> None:
    """A tensor that is not of whole blocks, or not finite, is stored as fp16, bit for bit."""
    embedding = Embedding(SIZE, tensor(values))

    assert quantise(embedding.tensor) is None
    assert embedding == Embedding.from_bytes(embedding.to_bytes(INT8))


WHOLE = Embedding(SIZE, tensor(DRAWN)).to_bytes(INT8)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:-1],
        WHOLE + b"\0",
        WHOLE[:30] + bytes([WHOLE[30] ^ 1]) + WHOLE[31:],
        b"MGE1" + WHOLE[4:],
        b"MGE9" + WHOLE[4:],
    ],
    ids=["cut short", "too long", "damaged", "called fp16", "another version"],
)
def test_what_is_no_whole_embedding_is_none(data: bytes) -> None:
    """Truncated and damaged bytes, and those under another name, are no embedding, and no error."""
    assert Embedding.from_bytes(WHOLE) is not None
    assert Embedding.from_bytes(data) is None
