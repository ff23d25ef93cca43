from __future__ import annotations

from maskgate.domain.errors import ModelNotFound


def test_an_error_says_what_it_says() -> None:
    """The message is for people, and metadata holds its variable parts as text."""
    error = ModelNotFound("There is no model 'vit_z'.", model="vit_z", models=3)

    assert ("There is no model 'vit_z'.", "There is no model 'vit_z'.") == (error.message, str(error))
    assert {"model": "vit_z", "models": "3"} == error.metadata


def test_an_error_is_short() -> None:
    """What a client sent and is told again is cut, so that an error fits into the headers of gRPC."""
    error = ModelNotFound("x" * 10_000, model="y" * 10_000)

    assert ("x" * 200 + "…", {"model": "y" * 200 + "…"}) == (error.message, error.metadata)


def test_an_error_is_text() -> None:
    """Half of a surrogate pair, which no encoding can write, becomes a question mark."""
    error = ModelNotFound("\ud800", model="\udfff")

    assert ("?", {"model": "?"}) == (error.message, error.metadata)
