"""What people do with the service, over either protocol; every call is told to locust with the tier of its answer."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import grpc
import grpc.experimental.gevent
import requests

from maskgate.transport.grpc._pb import images_pb2, segmentation_pb2
from maskgate.transport.grpc._pb.images_pb2_grpc import ImageServiceStub
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Spot = tuple[float, float]

TIMEOUT: Final = 60.0
_TIERS: Final = {"": "", "miss": "miss", "l1": "hit", "l2": "hit"}


@dataclass
class Seen:
    """What a call has come to."""

    tier: str = ""


@dataclass(frozen=True)
class Teller:
    """Times calls and tells locust of them.

    Attributes:
        fire: locust's event of a request.
        protocol: As locust's statistics call it.
    """

    fire: Callable[..., None]
    protocol: str

    @contextmanager
    def call(self, name: str) -> Iterator[Seen]:
        """Surround a call; one that fails is told and goes no further."""
        seen, failure, started = Seen(), None, time.perf_counter()
        try:
            yield seen
        except (grpc.RpcError, requests.RequestException) as error:
            failure = error
        self.fire(
            request_type=self.protocol,
            name=f"{name} {_TIERS[seen.tier]}".strip(),
            response_time=(time.perf_counter() - started) * 1e3,
            response_length=0,
            exception=failure,
            context={"call": name, "cache": _TIERS[seen.tier]},
        )


class Client(Protocol):
    """One connection to the service."""

    def upload(self, content: bytes) -> str:
        """Upload an image; tells its identifier."""
        ...

    def segment(self, image_id: str, spot: Spot, handle: str = "") -> str:
        """Click at fractions of an image, from the mask of a handle on; tells the new mask's handle, or nothing."""
        ...

    def encode(self, contents: Sequence[bytes]) -> list[str]:
        """Encode images; tells the identifiers of those that were."""
        ...

    def segment_batch(self, image_ids: Sequence[str], spots: Sequence[Spot]) -> None:
        """Click on all of these in all images."""
        ...


class GrpcClient:
    """Over gRPC."""

    def __init__(self, address: str, fire: Callable[..., None]) -> None:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
        channel = grpc.insecure_channel(address, options=options)
        self._segmentation: Any = SegmentationServiceStub(channel)
        self._images: Any = ImageServiceStub(channel)
        self._teller = Teller(fire, "grpc")

    def upload(self, content: bytes) -> str:
        """See Client."""
        with self._teller.call("UploadImage"):
            request = segmentation_pb2.UploadImageRequest(content=content)
            return self._segmentation.UploadImage(request, timeout=TIMEOUT).image.image_id
        return ""

    def segment(self, image_id: str, spot: Spot, handle: str = "") -> str:
        """See Client."""
        request = segmentation_pb2.SegmentRequest(
            image_id=image_id,
            points=[_point(spot)],
            coordinates=segmentation_pb2.COORDINATE_SPACE_NORMALIZED,
            mask=segmentation_pb2.MaskPrompt(mask_handle=handle) if handle else None,
        )
        with self._teller.call("Segment") as seen:
            answer = self._segmentation.Segment(request, timeout=TIMEOUT)
            seen.tier = _tier(answer.timing.cache_tier)
            return answer.masks[0].mask_handle
        return ""

    def encode(self, contents: Sequence[bytes]) -> list[str]:
        """See Client."""
        images = [images_pb2.ImageSource(content=content) for content in contents]
        with self._teller.call("EncodeImages") as seen:
            answers = list(self._images.EncodeImages(images_pb2.EncodeImagesRequest(images=images), timeout=TIMEOUT))
            done = [answer for answer in answers if not answer.HasField("error")]
            seen.tier = _slowest(_tier(answer.cache_tier) for answer in done)
            return [answer.image_id for answer in done]
        return []

    def segment_batch(self, image_ids: Sequence[str], spots: Sequence[Spot]) -> None:
        """See Client."""
        prompts = [segmentation_pb2.Prompt(points=[_point(spot)]) for spot in spots]
        images = [segmentation_pb2.ImagePrompts(image_id=image_id, prompts=prompts) for image_id in image_ids]
        normalized = segmentation_pb2.COORDINATE_SPACE_NORMALIZED
        request = segmentation_pb2.SegmentBatchRequest(images=images, coordinates=normalized)
        with self._teller.call("SegmentBatch") as seen:
            seen.tier = _tier(self._segmentation.SegmentBatch(request, timeout=TIMEOUT).timing.cache_tier)


class RestClient:
    """Over REST."""

    def __init__(self, url: str, fire: Callable[..., None]) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._teller = Teller(fire, "rest")

    def upload(self, content: bytes) -> str:
        """See Client."""
        with self._teller.call("UploadImage"):
            return self._post("images", data=content).json()["image_id"]
        return ""

    def segment(self, image_id: str, spot: Spot, handle: str = "") -> str:
        """See Client."""
        body: dict[str, Any] = {"points": [_json_point(spot)], "coordinates": "normalized"}
        if handle:
            body["mask"] = {"mask_handle": handle}
        with self._teller.call("Segment") as seen:
            answer = self._post(f"images/{image_id}:segment", json=body).json()
            seen.tier = answer["timing"]["cache_tier"]
            return answer["masks"][0]["mask_handle"]
        return ""

    def encode(self, contents: Sequence[bytes]) -> list[str]:
        """See Client."""
        images = [{"content": b64encode(content).decode()} for content in contents]
        with self._teller.call("EncodeImages") as seen:
            lines = [json.loads(line) for line in self._lines("images:encode", images)]
            done = [line for line in lines if line.get("error") is None]
            seen.tier = _slowest(line["cache_tier"] for line in done)
            return [line["image_id"] for line in done]
        return []

    def segment_batch(self, image_ids: Sequence[str], spots: Sequence[Spot]) -> None:
        """See Client."""
        prompts = [{"points": [_json_point(spot)]} for spot in spots]
        images = [{"image_id": image_id, "prompts": prompts} for image_id in image_ids]
        body = {"images": images, "coordinates": "normalized"}
        with self._teller.call("SegmentBatch") as seen:
            seen.tier = self._post("images:segment", json=body).json()["timing"]["cache_tier"]

    def _lines(self, path: str, images: list[dict[str, str]]) -> list[str]:
        return self._post(path, json={"images": images}).text.splitlines()

    def _post(self, path: str, **body: Any) -> requests.Response:  # noqa: ANN401 - as requests takes it
        response = self._session.post(f"{self._url}/v1/{path}", timeout=TIMEOUT, **body)
        response.raise_for_status()
        return response


CLIENTS: Final[dict[str, Callable[..., Client]]] = {"grpc": GrpcClient, "rest": RestClient}


def _point(spot: Spot) -> segmentation_pb2.Point:
    return segmentation_pb2.Point(x=spot[0], y=spot[1])


def _json_point(spot: Spot) -> dict[str, float]:
    return {"x": spot[0], "y": spot[1]}


def _tier(value: int) -> str:
    return segmentation_pb2.CacheTier.Name(value).removeprefix("CACHE_TIER_").lower()


def _slowest(tiers: Iterable[str]) -> str:
    """The tier that made a call of many images wait."""
    return max(tiers, key=["", "l1", "l2", "miss"].index, default="")
