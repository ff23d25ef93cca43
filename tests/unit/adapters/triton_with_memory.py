"""A server that speaks Triton's protocol and reads embeddings from shared memory, as Triton does: later, by name."""

from __future__ import annotations

import asyncio
import mmap
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from maskgate.adapters.triton import Region, TritonBackend, TritonBounds
from tests.unit.adapters.test_triton import BOUNDS, TritonLike

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from google.protobuf.message import Message

    from maskgate.adapters.triton.watching import Registration, Retry, Way

SHAPES = {"best_mask": (1, 1, 32, 32), "best_iou": (1, 1), "iou_predictions": (1, 1, 4)}


class TritonWithMemory(TritonLike):
    """Answers a prompt with a mask that is filled with the first byte of its embedding.

    Attributes:
        regions: What is registered, by name.
        registrations: How often something was asked to be.
        unregistered: Names, in order.
        registration_failure: Why nothing can be registered, while set.
        forgetful: Whether it forgets regions at once.
        gate: Prompts wait for it before their embedding is read.
        waiting: Whether one does.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.regions: dict[str, mmap.mmap] = {}
        self.registrations = 0
        self.unregistered: list[str] = []
        self.registration_failure: tuple[grpc.StatusCode, str] | None = None
        self.forgetful = False
        self.waiting = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    def restart(self) -> None:
        """Forget what was registered."""
        self.regions.clear()

    async def SystemSharedMemoryRegister(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401 - Triton's
        self.registrations += 1
        if self.registration_failure is not None:
            await context.abort(*self.registration_failure)
        if request.name in self.regions:
            text = f"shared memory region '{request.name}' already in manager"
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, text)
        with self._folder.joinpath(request.key.removeprefix("/")).open("r+b") as file:
            self.regions[request.name] = mmap.mmap(file.fileno(), request.byte_size)
        if self.forgetful:
            self.restart()
        response: Message = service_pb2.SystemSharedMemoryRegisterResponse()
        return response

    async def SystemSharedMemoryStatus(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401
        del request, context
        response = service_pb2.SystemSharedMemoryStatusResponse()
        for name in self.regions:
            response.regions[name].name = name
        answer: Message = response
        return answer

    async def SystemSharedMemoryUnregister(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401
        del context
        self.regions.pop(request.name, None)
        self.unregistered.append(request.name)
        response: Message = service_pb2.SystemSharedMemoryUnregisterResponse()
        return response

    async def ModelInfer(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401
        tensors = await self._tensors(request, context)
        if not self.gate.is_set():
            self.waiting.set()
        await self.gate.wait()
        await asyncio.sleep(0)  # the batcher's queue: others come in between
        number = tensors["image_embeddings"][0]
        self.answers = {name: np.full(shape, number, np.float32) for name, shape in SHAPES.items()}
        self.answers["best_mask"] = self.answers["best_mask"].astype(np.float16)
        return await super().ModelInfer(request, context)

    async def _tensors(self, request: Any, context: Any) -> dict[str, memoryview]:  # noqa: ANN401
        inline = iter(request.raw_input_contents)
        found = {}
        for tensor in request.inputs:
            if not tensor.parameters:
                found[tensor.name] = memoryview(next(inline))
                continue
            where = type(tensor).FromString(tensor.SerializeToString()).parameters  # reading a map adds to it
            name = where["shared_memory_region"].string_param
            if name not in self.regions:
                text = f"Unable to find shared memory region: '{name}'"
                await context.abort(grpc.StatusCode.NOT_FOUND, text)
            offset = where["shared_memory_offset"].int64_param
            size = where["shared_memory_byte_size"].int64_param
            found[tensor.name] = memoryview(self.regions[name])[offset : offset + size]
        return found


class Watched:
    """Remembers what a backend tells of one stage.

    Attributes:
        ways: Bytes of each request of that stage that was sent, with its way.
        registrations: How registering went.
        retries: How second attempts went, with their stages.
        stale_ones: How many embeddings were replaced while they were used.
    """

    def __init__(self, stage: str = "decode") -> None:
        self._stage = stage
        self.ways: list[tuple[Way, int]] = []
        self.registrations: list[Registration] = []
        self.retries: list[tuple[str, Retry]] = []
        self.stale_ones = 0

    def sent(self, stage: str, way: Way, size: int) -> None:
        if stage == self._stage:
            self.ways.append((way, size))

    def registered(self, result: Registration) -> None:
        self.registrations.append(result)

    def retried(self, stage: str, result: Retry) -> None:
        self.retries.append((stage, result))

    def stale(self) -> None:
        self.stale_ones += 1


@asynccontextmanager
async def sharing(
    triton: TritonWithMemory,
    region: Region,
    watched: Watched | None = None,
    bounds: TritonBounds = BOUNDS,
    *,
    others: Sequence[TritonWithMemory] = (),
) -> AsyncIterator[TritonBackend]:
    """A backend that shares memory with the server, and knows others."""
    async with AsyncExitStack() as servers:
        urls = [await _serve(each, servers) for each in (triton, *others)]
        backend = TritonBackend(urls, models=("tiny",), bounds=bounds, region=region, watcher=watched or Watched())
        try:
            yield backend
        finally:
            await backend.close()


async def _serve(triton: TritonWithMemory, servers: AsyncExitStack) -> str:
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    servers.push_async_callback(server.stop, grace=None)
    return f"127.0.0.1:{port}"
