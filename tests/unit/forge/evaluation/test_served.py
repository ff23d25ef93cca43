from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from maskforge.errors import ServiceFailed
from maskforge.evaluation.ports import Prompt, Tokens
from maskforge.evaluation.served import ServedPredictor, Service
from tests.unit.forge.evaluation.world import encoded, photo_of, rectangle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maskforge.annotations import Photo

    Handler = Callable[[httpx.Request], httpx.Response]

MASK = rectangle(4, 6, slice(2), slice(3))


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    return photo_of(tmp_path, MASK)


def _mask(handle: str) -> dict[str, Any]:
    rle = dict(encoded(MASK))
    rle["counts"] = rle["counts"].decode()
    return {"rle": rle, "predicted_iou": 0.75, "stability_score": 0.5, "mask_handle": handle}


def _predictor(handler: Handler) -> ServedPredictor:
    client = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(handler))
    return ServedPredictor(Service("http://gateway", "lite0"), client)


class FakeGateway:
    """Keeps what it is asked; answers prompts with as many masks as there are tokens."""

    def __init__(self) -> None:
        self.uploads: list[bytes] = []
        self.batches: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/images":
            self.uploads.append(request.content)
            return httpx.Response(201, json={"image_id": "sha256:1"})
        body = json.loads(request.content)
        self.batches.append(body)
        masks = [_mask(f"mh_{token}") for token in ({"single": [0], "all": [1, 2, 3]}[body["multimask"]])]
        prompts = [{"masks": masks, "error": None} for _ in body["images"][0]["prompts"]]
        return httpx.Response(200, json={"images": [{"prompts": prompts, "error": None}]})


def test_a_photo_is_uploaded_as_it_is(photo: Photo) -> None:
    """The very bytes of the file are sent, so that reading them is measured, too."""
    gateway = FakeGateway()
    _predictor(gateway).look_at(photo)

    assert [photo.path.read_bytes()] == gateway.uploads


def test_all_tokens_are_asked_for_in_two_calls(photo: Photo) -> None:
    """The single mask first, then the readings; each prompt has its answer."""
    gateway = FakeGateway()
    view = _predictor(gateway).look_at(photo)
    answers = view.segment([Prompt(points=((1, 2, 1),)), Prompt(points=((3, 0, 0),))], Tokens.ALL)

    assert ["single", "all"] == [batch["multimask"] for batch in gateway.batches]
    assert [["mh_0", "mh_1", "mh_2", "mh_3"]] * 2 == [[found.start for found in answer] for answer in answers]
    found = answers[0][0]
    np.testing.assert_array_equal(MASK, found.pixels)
    assert (0.75, 0.5) == (found.predicted_iou, found.stability)
    asked = {"points": [{"x": 1, "y": 2, "label": 1}], "box": None, "mask": None}
    assert asked == gateway.batches[0]["images"][0]["prompts"][0]
    assert ("lite0", {"mask_handles": True}) == (gateway.batches[0]["model"], gateway.batches[0]["output"])


def test_a_correction_names_the_mask(photo: Photo) -> None:
    """The service keeps the logits; what is sent is their handle."""
    gateway = FakeGateway()
    _predictor(gateway).look_at(photo).segment([Prompt(box=(0, 1, 2, 3), start="mh_7")], Tokens.SINGLE)

    asked = {"points": [], "box": {"x1": 0, "y1": 1, "x2": 2, "y2": 3}, "mask": {"mask_handle": "mh_7"}}
    assert [asked] == gateway.batches[0]["images"][0]["prompts"]


def test_a_busy_service_is_asked_again(photo: Photo) -> None:
    """What was refused for want of room is sent again after the time that the service gives."""
    answers = [httpx.Response(429, headers={"Retry-After": "0"}, json={}), httpx.Response(201, json={"image_id": "x"})]
    _predictor(lambda _: answers.pop(0)).look_at(photo)

    assert [] == answers


def _unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (_unreachable, "http://gateway cannot be reached: refused"),
        (lambda _: httpx.Response(200, text="<html>"), "answers 200 and no JSON"),
        (lambda _: httpx.Response(400, json={"error": "INVALID_IMAGE"}), "answers 400.*INVALID_IMAGE"),
        (lambda _: httpx.Response(429, headers={"Retry-After": "0"}, json={"error": "OVERLOADED"}), "OVERLOADED"),
    ],
    ids=["nobody", "not maskgate", "refused", "busy for good"],
)
def test_what_goes_wrong_is_told(photo: Photo, handler: Handler, told: str) -> None:
    """A service that is away, is none, refuses or stays busy ends the evaluation with a sentence."""
    with pytest.raises(ServiceFailed, match=told):
        _predictor(handler).look_at(photo)


def test_a_part_that_is_refused_is_told(photo: Photo) -> None:
    """A prompt's error in a batch that went well is an error here."""

    def refuse(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/images":
            return httpx.Response(201, json={"image_id": "x"})
        part = {"masks": [], "error": {"reason": "MASK_HANDLE_NOT_FOUND"}}
        return httpx.Response(200, json={"images": [{"prompts": [part], "error": None}]})

    view = _predictor(refuse).look_at(photo)
    with pytest.raises(ServiceFailed, match="MASK_HANDLE_NOT_FOUND"):
        view.segment([Prompt(points=((1, 1, 1),))], Tokens.SINGLE)


def test_a_key_is_shown() -> None:
    """A service that asks for a key gets it with every call."""
    with Service("https://gateway", "lite0", "mg_1").connect() as client:
        assert "Bearer mg_1" == client.headers["Authorization"]


def test_a_key_is_kept_to_oneself() -> None:
    """It goes in the clear to this machine alone, and stands in no log."""
    with pytest.raises(ServiceFailed, match="in the clear"):
        Service("http://gateway", "lite0", "mg_1").connect()
    with Service("http://127.0.0.1:8080", "lite0", "mg_1").connect() as client:
        assert "Authorization" in client.headers
    assert "mg_1" not in repr(Service("https://gateway", "lite0", "mg_1"))
