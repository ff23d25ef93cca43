"""GenerateMasks over fakes, with an image that is kept."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from maskgate.adapters.open import NoQuotas
from maskgate.domain.image import ImageId, ImageInfo
from maskgate.usecases.admission import Admission
from maskgate.usecases.charge_tenant import ChargeTenant
from maskgate.usecases.decode_grid import DecodeGrid
from maskgate.usecases.embed_image import EmbeddingTiers, EmbedImage
from maskgate.usecases.finish_mask import FinishMask
from maskgate.usecases.generate_masks import GenerateMasks
from maskgate.usecases.generation import GenerationTools
from maskgate.usecases.streamed import Room
from maskgate.usecases.write_mask import WriteMask
from tests.fakes import (
    CALL,
    SIZE,
    FakeCache,
    FakeDecoder,
    FakeLocks,
    FakeMaskEncoder,
    FakeNotes,
    FakeShelf,
    FakeStore,
    Unwatched,
    inline,
    owned,
)

if TYPE_CHECKING:
    from maskgate.domain.generation.events import GenerationEvent, Told
    from maskgate.domain.generation.query import GenerationQuery
    from maskgate.ports import ImageDecoder, Offload
    from tests.fakes import FakeBackend

ROOM = Room(events=4, seconds=10)


class Everything:
    """The use case and what is behind it."""

    def __init__(
        self,
        backend: FakeBackend,
        *,
        decoder: ImageDecoder | None = None,
        content: bytes = b"a photo",
        logits_bytes: int = 1 << 20,
        most_prompts: int = 10_000,
        room: Room = ROOM,
        offload: Offload = inline,
    ) -> None:
        self.backend = backend
        self.l1, self.l2, self.store, self.notes = FakeShelf(), FakeCache(), FakeStore(), FakeNotes()
        self.image_id = ImageId.of(content)
        self._content = content
        embed = EmbedImage(
            watcher=Unwatched(),
            tiers=EmbeddingTiers(self.l1, self.l2, FakeLocks(self.l2)),
            images=owned(self.store),
            charge=ChargeTenant(NoQuotas()),
            store=self.store,
            decoder=decoder or FakeDecoder(),
            backend=backend,
            admission=Admission(tier="image encoder", concurrency=1, waiting=8),
        )
        tools = GenerationTools(
            embed=embed,
            grid=DecodeGrid(backend=backend, offload=offload, notes=self.notes),
            finish=FinishMask(write=WriteMask(FakeMaskEncoder()), offload=offload),
            offload=offload,
            logits_bytes=logits_bytes,
        )
        (name,) = backend.specs
        self.generate = GenerateMasks(
            tools,
            backend=backend,
            admission=Admission(tier="generation", concurrency=1, waiting=1),
            room=room,
            most_prompts=most_prompts,
            default_model=name,
        )

    async def events(self, query: GenerationQuery) -> list[GenerationEvent]:
        """Everything that a client is told."""
        return [told.event for told in await self.told(query)]

    async def told(self, query: GenerationQuery) -> list[Told]:
        """The same with cursors."""
        await self.store.put(ImageInfo(self.image_id, SIZE, "FAKE", len(self._content)), self._content)
        async with aclosing(self.generate(query, call=CALL)) as events:
            return [event async for event in events]
