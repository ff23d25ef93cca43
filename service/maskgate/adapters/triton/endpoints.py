"""The Tritons that serve the models: one or several, each with its connections, and which of them is asked."""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from time import monotonic
from typing import TYPE_CHECKING, Generic

import grpc
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from maskgate.adapters.triton.failures import translated
from maskgate.adapters.triton.regions import RegisteredRegion
from maskgate.adapters.triton.specs import D, ModelSpecs
from maskgate.adapters.triton.wire import Reply
from maskgate.domain.errors import BackendUnavailable, DeadlineExceeded, MaskgateError, ModelNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from maskgate.adapters.triton.bounds import TritonBounds
    from maskgate.adapters.triton.regions import Region
    from maskgate.adapters.triton.specs import Role
    from maskgate.adapters.triton.watching import Watcher
    from maskgate.domain.call import Deadline
    from maskgate.domain.model import ModelSpec

    Metadata = tuple[tuple[str, str], ...]

_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # gRPC would ask the environment's proxy even for 127.0.0.1
    # A Triton that has vanished without a word is noticed; it is started to allow pings this often (stack/triton.py).
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # gRPC's default waits up to two minutes before it tries again; a restarted server is back in seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_POLL_SECONDS = 0.05
_MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
_REST_SECONDS = 5.0
"""How long an endpoint that has failed is asked only if there is no other; a probe that succeeds ends it sooner."""
_LOCAL_SHARE = 1.25
"""How much busier than the mean one may be that maps our memory, before others are asked to read 2 MiB instead."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How Tritons are talked to.

    Attributes:
        bounds: Timeouts.
        watcher: Is told of it.
        handed_on: Returns metadata that inferences carry.
    """

    bounds: TritonBounds
    watcher: Watcher
    handed_on: Callable[[], Metadata] = tuple


class Endpoint(Generic[D]):
    """One Triton, or several behind one address.

    Args:
        role: What it is there for.
        manner: How it is talked to.
        region: The memory that embeddings lie in, if it may be told of that.

    Attributes:
        url: Its `host:port`.
        in_flight: Calls that it works at.
        specs: What its models are.
        shared: The memory that embeddings lie in, as it knows it.
    """

    def __init__(self, url: str, role: Role[D], manner: Manner, region: Region | None = None) -> None:
        self._handed_on = manner.handed_on
        self._client = InferenceServerClient(url, channel_args=_CHANNEL_OPTIONS)
        self._channel = grpc.aio.insecure_channel(url, options=_CHANNEL_OPTIONS)
        self._infer: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(_MODEL_INFER)
        self.url = url
        self._rests: dict[str, float] = {}
        self._absent: set[str] = set()
        self.in_flight = 0
        self.specs = ModelSpecs(self._client, manner.bounds, role)
        self.shared: RegisteredRegion | None = None
        if region is not None:
            self.shared = RegisteredRegion(
                region, client=self._client, timeout=manner.bounds.describe, watcher=manner.watcher
            )

    async def close(self) -> None:
        """Close the connections; Triton lets go of the shared memory."""
        if self.shared is not None:
            await self.shared.close()
        await self._client.close()
        await self._channel.close()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count a call."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def infer(self, model: str, request: bytes, *, deadline: Deadline) -> Reply:
        """Have a request executed. Raises MaskgateError."""
        remaining = deadline.remaining()
        if remaining <= 0:
            raise DeadlineExceeded("The deadline passed before the inference server was asked.", model=model)
        try:
            with translated(model):
                return Reply.parse(await self._infer(request, timeout=remaining, metadata=self._handed_on()))
        except (BackendUnavailable, ModelNotFound):
            self.specs.forget(model)
            raise

    async def check(self, model: str) -> None:
        """Make sure that it serves a model, and remember whether it does. Raises MaskgateError."""
        try:
            await self.specs.check_ready(model)
        except MaskgateError as error:
            self.rest(model)
            if not isinstance(error.__cause__, DeadlineExceeded):  # which is what a busy one does
                self._absent.add(model)
            raise
        self._absent.discard(model)
        self.wake(model)

    async def agree(self, spec: ModelSpec) -> None:
        """Make sure that it serves this very engine: another one would read embeddings as something else.

        Raises:
            BackendUnavailable: It serves another one, or does not say.
            ModelNotFound, InferenceFailed: As `ModelSpecs.get` says.
        """
        known = self.specs.known(spec.name) or await self.specs.get(spec.name)
        if known.engine != spec.engine:
            raise BackendUnavailable(f"The model {spec.name!r} is being replaced.", model=spec.name)

    def may_serve(self, spec: ModelSpec) -> bool:
        """Say whether nothing is known to the contrary."""
        known = self.specs.known(spec.name)
        return known is None or known.engine == spec.engine

    def rest(self, model: str) -> None:
        """Ask others first, for a while."""
        self._rests[model] = monotonic() + _REST_SECONDS

    def wake(self, model: str) -> None:
        """Take it for one that serves a model again."""
        self._rests.pop(model, None)

    def is_awake(self, model: str) -> bool:
        """Say whether it has not failed lately."""
        return self._rests.get(model, 0.0) <= monotonic()

    def is_there(self, model: str) -> bool:
        """Say whether it served a model when it was last looked at, or has not been yet."""
        return model not in self._absent

    async def connected(self, *, seconds: float) -> None:
        """Wait for both connections, if they are not there, but not longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._channel.channel_ready()
                while not await self._is_live():  # noqa: ASYNC110 - another process sets no event
                    await asyncio.sleep(_POLL_SECONDS)

    async def _is_live(self) -> bool:
        try:
            return bool(await self._client.is_server_live())
        except InferenceServerException:
            return False


class Endpoints(Generic[D]):
    """All of them that have the same role."""

    def __init__(self, endpoints: Sequence[Endpoint[D]]) -> None:
        self.all = tuple(endpoints)

    async def close(self) -> None:
        """Close the connections."""
        for endpoint in self.all:
            await endpoint.close()

    async def check(self, models: Sequence[str]) -> None:
        """Make sure that one of them serves a model: what is broken must not take the rest out of service.

        Raises:
            MaskgateError: None can describe a model that is ready.
        """
        checks = [endpoint.check(model) for endpoint, model in product(self.all, models)]
        results = await asyncio.gather(*checks, return_exceptions=True)
        failures = [result for result in results if result is not None]
        if len(failures) == len(results):
            raise next(iter(failures), BackendUnavailable("There is no inference server at that name."))

    def has(self, model: str) -> bool:
        """Say whether one was there at the last look; it may still fail, or be busy."""
        return any(endpoint.is_there(model) for endpoint in self.all)

    def idle(self, spec: ModelSpec) -> int:
        """Count those that are left out since they serve another engine of a model."""
        return sum(not endpoint.may_serve(spec) for endpoint in self.all)

    def leading(self, model: str, *, excluding: Endpoint[D] | None = None) -> Endpoint[D] | None:
        """Return the one that says what a model is: the first that has not failed lately.

        That is the same one for all calls. While engines are being replaced, those that serve another than it are idle.
        """
        return next(iter(_awake(model, [endpoint for endpoint in self.all if endpoint is not excluding])), None)

    def pick(self, spec: ModelSpec, *, local: bool, excluding: Endpoint[D] | None = None) -> Endpoint[D] | None:
        """Return one to ask: the less busy of two, or, if that matters, one that maps our memory and is not too busy.

        (M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001.)
        """
        able = [endpoint for endpoint in self.all if endpoint is not excluding and endpoint.may_serve(spec)]
        awake = _awake(spec.name, able)
        if len(awake) <= 1:
            return next(iter(awake), None)
        near = _near(awake) if local else []
        return _less_busy(near or awake)


def _awake(model: str, endpoints: list[Endpoint[D]]) -> list[Endpoint[D]]:
    """Leave those out that have failed lately, unless it is all of them."""
    return [endpoint for endpoint in endpoints if endpoint.is_awake(model)] or endpoints


def _near(endpoints: list[Endpoint[D]]) -> list[Endpoint[D]]:
    """Return those that map our memory and are not much busier than the others, one call aside."""
    most = 1 + _LOCAL_SHARE * sum(endpoint.in_flight for endpoint in endpoints) / len(endpoints)
    return [it for it in endpoints if it.shared is not None and it.shared.is_mapped and it.in_flight < most]


def _less_busy(endpoints: list[Endpoint[D]]) -> Endpoint[D]:
    two = random.sample(endpoints, min(2, len(endpoints)))
    return min(two, key=lambda endpoint: endpoint.in_flight)
