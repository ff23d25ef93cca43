"""The method of GenerationService: convert, iterate, convert."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from maskgate.transport.grpc._pb.generation_pb2_grpc import GenerationServiceServicer
from maskgate.transport.grpc.converters.generation import from_told, to_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.domain.call import Call
    from maskgate.transport.grpc._pb import generation_pb2 as pb
    from maskgate.transport.usecases import UseCases


class GenerationServicer(GenerationServiceServicer):
    """Raises domain errors; the interceptor turns them into statuses."""

    def __init__(self, usecases: UseCases) -> None:
        self._usecases = usecases

    async def GenerateMasks(  # noqa: N802 - the name of the method in the contract
        self, request: pb.GenerateMasksRequest, call: Call
    ) -> AsyncIterator[pb.GenerateMasksResponse]:
        """Find everything."""
        async with aclosing(self._usecases.generate_masks(to_query(request), call=call)) as events:
            async for told in events:
                yield from_told(told)
