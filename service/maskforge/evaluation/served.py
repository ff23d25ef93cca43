"""A running service, as a predictor: over its public REST API, as anybody would ask it.

So what is measured is all of it: how it reads the file, its embeddings, its decoder, the masks that it keeps for
corrections, and the run lengths that it writes.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from maskforge.annotations import Photo, decode_mask
from maskforge.errors import ServiceFailed
from maskforge.evaluation.ports import Found, Prompt, Tokens

TIMEOUT_SECONDS: Final = 120.0
"""An encode of a large model on a CPU is the longest that is waited for."""
ATTEMPTS: Final = 5
LONGEST_PAUSE_SECONDS: Final = 10.0
LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))
BUSY: Final = frozenset((429, 503))
MULTIMASK: Final = {Tokens.SINGLE: ("single",), Tokens.ALL: ("single", "all")}
"""The service is asked once for the single-mask token and once for the readings."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service is and what is asked of it.

    Attributes:
        url: Its REST address, such as http://127.0.0.1:8080.
        model: The model's name.
        api_key: The key of a tenant, if it asks for one. It goes over TLS, or to this machine.
    """

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)

    def connect(self) -> httpx.Client:
        """Open a client; nothing is sent yet.

        Raises:
            ServiceFailed: The key would go in the clear to another machine.
        """
        address = httpx.URL(self.url)
        if self.api_key and address.scheme != "https" and address.host not in LOOPBACK:
            raise ServiceFailed(f"the API key would go to {self.url} in the clear: ask for https")
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)


class ServedPredictor:
    """Answers prompts by asking a service."""

    def __init__(self, service: Service, client: httpx.Client) -> None:
        """Ask `service` through `client`, which belongs to the caller."""
        self._service = service
        self._client = client

    def look_at(self, photo: Photo) -> "ServedView":
        """Upload a photo.

        Raises:
            ServiceFailed: The service cannot be reached, or refuses.
        """
        answer = _post(self._client, "/v1/images", content=photo.path.read_bytes())
        return ServedView(self._client, self._service.model, answer["image_id"])


class ServedView:
    """A photo that was uploaded."""

    def __init__(self, client: httpx.Client, model: str, image_id: str) -> None:
        """Ask about an image by its identifier."""
        self._client = client
        self._model = model
        self._image_id = image_id

    def segment(self, prompts: Sequence[Prompt], tokens: Tokens) -> list[list[Found]]:
        """Answer each prompt; see `View`. A mask to start from is the handle that the service gave it."""
        parts = [self._ask(prompts, multimask) for multimask in MULTIMASK[tokens]]
        return [[found for part in answer for found in part] for answer in zip(*parts, strict=True)]

    def _ask(self, prompts: Sequence[Prompt], multimask: str) -> list[list[Found]]:
        body = {
            "images": [{"image_id": self._image_id, "prompts": [_written(prompt) for prompt in prompts]}],
            "multimask": multimask,
            "model": self._model,
            "output": {"mask_handles": True},
        }
        (image,) = _post(self._client, "/v1/images:segment", json=body)["images"]
        return [_founds(_unless_refused(prompt)["masks"]) for prompt in _unless_refused(image)["prompts"]]


def _post(client: httpx.Client, path: str, **request: Any) -> Any:  # noqa: ANN401 - JSON
    """Send a request; a service that is busy is asked again after the time that it gives."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            response = client.post(path, **request)
        except httpx.HTTPError as error:
            raise ServiceFailed(f"{client.base_url} cannot be reached: {error}") from error
        if response.status_code not in BUSY or attempt == ATTEMPTS:
            break
        time.sleep(min(float(response.headers.get("Retry-After", attempt)), LONGEST_PAUSE_SECONDS))
    return _read(response)


def _read(response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
    try:
        answer = response.json()
    except ValueError as error:
        raise ServiceFailed(f"{response.url} answers {response.status_code} and no JSON: is it maskgate?") from error
    if response.is_error:
        raise ServiceFailed(f"{response.url} answers {response.status_code}: {answer}")
    return answer


def _unless_refused(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of a batch, whose error is its own."""
    if part["error"]:
        raise ServiceFailed(f"the service refuses a prompt: {part['error']}")
    return part


def _founds(masks: Sequence[Mapping[str, Any]]) -> list[Found]:
    return [
        Found(decode_mask(mask["rle"]), mask["predicted_iou"], mask["stability_score"], mask["mask_handle"])
        for mask in masks
    ]


def _written(prompt: Prompt) -> dict[str, Any]:
    points = [{"x": x, "y": y, "label": label} for x, y, label in prompt.points]
    box = dict(zip(("x1", "y1", "x2", "y2"), prompt.box, strict=True)) if prompt.box else None
    mask = {"mask_handle": prompt.start} if prompt.start else None
    return {"points": points, "box": box, "mask": mask}
