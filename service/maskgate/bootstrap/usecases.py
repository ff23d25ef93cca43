"""Ports → use cases: the same in production and in tests, where fakes stand behind the ports."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maskgate.bootstrap.tenants import Tenants
from maskgate.domain.image import ImageLimits
from maskgate.transport.usecases import UseCases
from maskgate.usecases.admission import Admission
from maskgate.usecases.authenticate_caller import AuthenticateCaller
from maskgate.usecases.charge_tenant import ChargeTenant
from maskgate.usecases.check_images import CheckImages
from maskgate.usecases.decode import Decode
from maskgate.usecases.decode_grid import DecodeGrid
from maskgate.usecases.delete_image import DeleteImage, ForgetImage, HeedDeletions
from maskgate.usecases.describe_models import GetModel, ListModels
from maskgate.usecases.embed_image import EmbedImage
from maskgate.usecases.encode_images import BulkLane, EncodeImages
from maskgate.usecases.finish_mask import FinishMask
from maskgate.usecases.generate_masks import GenerateMasks
from maskgate.usecases.generation import GenerationTools
from maskgate.usecases.get_embedding import GetEmbedding
from maskgate.usecases.get_image import GetImage
from maskgate.usecases.keep_masks import KeepMasks
from maskgate.usecases.lay_out_prompt import LayOutPrompt
from maskgate.usecases.owned_images import OwnedImages
from maskgate.usecases.render_masks import RenderMasks
from maskgate.usecases.resolve_mask import ResolveMask
from maskgate.usecases.segment import Segment
from maskgate.usecases.segment_batch import BatchLimits, SegmentBatch, Steps
from maskgate.usecases.segment_stream import Holds, SegmentStream
from maskgate.usecases.streamed import Room
from maskgate.usecases.upload_image import UploadImage
from maskgate.usecases.write_mask import WriteMask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.ports import (
        AdmissionWatcher,
        Deletions,
        EmbeddingWatcher,
        GenerationNotes,
        ImageCopies,
        ImageDecoder,
        ImageFetcher,
        ImageStore,
        InferenceBackend,
        MaskEncoder,
        MaskReader,
        MaskShelf,
        Offload,
    )
    from maskgate.settings import Settings
    from maskgate.usecases.embed_image import EmbeddingTiers

_EVENTS_AHEAD = 4
"""Of a generation, that wait for a client that reads slowly; the work waits after that."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the use cases need of the world.

    Attributes:
        rendering: The same as `offload`, for what finishes masks.
        generating: For generations, on threads of their own; who is cancelled there waits for what runs.
        finishing: The same as `generating`, for what finishes masks.
        places: How many embeddings the first tier has room for.
    """

    tiers: EmbeddingTiers
    store: ImageStore
    copies: ImageCopies
    deletions: Deletions
    fetcher: ImageFetcher
    decoder: ImageDecoder
    backend: InferenceBackend
    offload: Offload
    rendering: Offload
    generating: Offload
    finishing: Offload
    mask_encoder: MaskEncoder
    mask_reader: MaskReader
    masks: MaskShelf
    notes: GenerationNotes
    admissions: AdmissionWatcher
    embeddings: EmbeddingWatcher
    places: int
    tenants: Tenants = field(default_factory=Tenants)


@asynccontextmanager
async def open_usecases(settings: Settings, ports: Ports) -> AsyncIterator[UseCases]:
    """Create the use cases; on leaving, encodes under way get time to end."""
    embed = create_embed(settings, ports)
    heed = HeedDeletions(deletions=ports.deletions, copies=ports.copies, embed=embed)
    heeding = asyncio.create_task(heed.for_ever(), name="deletions")
    try:
        yield create_usecases(settings, ports, embed)
    finally:
        heeding.cancel()
        with contextlib.suppress(TimeoutError):  # an encode that takes longer than a drain is made again elsewhere
            await asyncio.wait_for(embed.drain(), settings.drain_seconds)


def create_embed(settings: Settings, ports: Ports) -> EmbedImage:
    """Create what the use cases share, and what outlives their calls."""
    return EmbedImage(
        tiers=ports.tiers,
        images=_owned_images(settings, ports),
        charge=ChargeTenant(ports.tenants.quotas),
        store=ports.store,
        decoder=ports.decoder,
        backend=ports.backend,
        admission=Admission(
            tier="encode",
            concurrency=settings.encode_concurrency,
            waiting=settings.encode_waiting,
            watcher=ports.admissions,
        ),
        watcher=ports.embeddings,
    )


def create_usecases(settings: Settings, ports: Ports, embed: EmbedImage) -> UseCases:
    """Create the use cases over any adapters."""
    steps = _create_steps(settings, ports, embed)
    segment = Segment(
        embed=steps.embed,
        lay_out=steps.lay_out,
        decode=steps.decode,
        render=steps.render,
        keep=steps.keep,
        backend=ports.backend,
        default_model=settings.models[0],
    )
    images = _owned_images(settings, ports)
    forget = ForgetImage(store=ports.store, cache=ports.tiers.l2, embed=embed)
    upload = _create_upload(settings, ports, images=images, forget=forget)
    get_model = GetModel(backend=ports.backend, default_model=settings.models[0])
    return UseCases(
        authenticate_caller=AuthenticateCaller(ports.tenants.keys),
        charge_tenant=ChargeTenant(ports.tenants.quotas),
        upload_image=upload,
        get_image=GetImage(images=images),
        segment=segment,
        segment_batch=_create_batch(settings, ports, steps),
        check_images=CheckImages(images=images),
        encode_images=EncodeImages(
            embed=embed,
            upload=upload,
            fetcher=ports.fetcher,
            backend=ports.backend,
            lane=BulkLane(concurrency=settings.encode_images_concurrency),
            default_model=settings.models[0],
        ),
        get_embedding=GetEmbedding(embed=embed, backend=ports.backend, default_model=settings.models[0]),
        delete_image=DeleteImage(images=images, forget=forget),
        generate_masks=_create_generate(settings, ports, embed),
        list_models=ListModels(get_model=get_model, models=settings.models),
        get_model=get_model,
        segment_stream=_create_segment_stream(settings, ports, embed=embed, segment=segment),
    )


def _create_upload(settings: Settings, ports: Ports, *, images: OwnedImages, forget: ForgetImage) -> UploadImage:
    return UploadImage(
        images=images,
        store=ports.store,
        decoder=ports.decoder,
        limits=image_limits(settings),
        admission=Admission(
            tier="upload",
            concurrency=settings.upload_concurrency,
            waiting=settings.upload_waiting,
            watcher=ports.admissions,
        ),
        forget=forget,
        offload=ports.offload,
    )


def _create_batch(settings: Settings, ports: Ports, steps: Steps) -> SegmentBatch:
    return SegmentBatch(
        steps=steps,
        backend=ports.backend,
        admission=Admission(
            tier="bulk",
            concurrency=settings.bulk_concurrency,
            waiting=settings.bulk_waiting,
            watcher=ports.admissions,
        ),
        limits=_batch_limits(settings, ports),
        default_model=settings.models[0],
    )


def _batch_limits(settings: Settings, ports: Ports) -> BatchLimits:
    return BatchLimits(
        prompts=settings.max_batch_prompts,
        images=settings.batch_images,
        images_of_all=max(1, ports.places // 4),  # a half is for streams, and a quarter at least for those who click
    )


def _create_segment_stream(settings: Settings, ports: Ports, *, embed: EmbedImage, segment: Segment) -> SegmentStream:
    return SegmentStream(
        segment=segment,
        embed=embed,
        backend=ports.backend,
        charge=ChargeTenant(ports.tenants.quotas),
        holds=Holds(ports.places // 2),  # the other half is for those who click
        default_model=settings.models[0],
        prompt_seconds=settings.request_timeout_seconds,
    )


def _create_steps(settings: Settings, ports: Ports, embed: EmbedImage) -> Steps:
    decode = Admission(
        tier="decode",
        concurrency=settings.decode_concurrency,
        waiting=settings.decode_waiting,
        watcher=ports.admissions,
    )
    render = Admission(
        tier="render", concurrency=settings.threads, waiting=settings.render_waiting, watcher=ports.admissions
    )
    return Steps(
        embed=embed,
        lay_out=LayOutPrompt(resolve=ResolveMask(shelf=ports.masks, reader=ports.mask_reader, offload=ports.offload)),
        decode=Decode(backend=ports.backend, admission=decode),
        render=RenderMasks(encoder=ports.mask_encoder, offload=ports.rendering, admission=render),
        keep=KeepMasks(shelf=ports.masks),
    )


def _owned_images(settings: Settings, ports: Ports) -> OwnedImages:
    return OwnedImages(store=ports.store, grants=ports.tenants.grants, embedding_bytes=settings.embedding_slot_bytes)


def _create_generate(settings: Settings, ports: Ports, embed: EmbedImage) -> GenerateMasks:
    tools = GenerationTools(
        embed=embed,
        grid=DecodeGrid(backend=ports.backend, offload=ports.generating, notes=ports.notes),
        finish=FinishMask(write=WriteMask(ports.mask_encoder), offload=ports.finishing),
        offload=ports.generating,
        logits_bytes=settings.generation_memory_bytes,
    )
    return GenerateMasks(
        tools,
        backend=ports.backend,
        admission=Admission(
            tier="generation",
            concurrency=settings.generation_concurrency,
            waiting=settings.generation_waiting,
            watcher=ports.admissions,
        ),
        room=Room(events=_EVENTS_AHEAD, seconds=settings.generation_idle_seconds),
        most_prompts=settings.max_generation_prompts,
        default_model=settings.models[0],
    )


def image_limits(settings: Settings) -> ImageLimits:
    """Read how large an image may be."""
    return ImageLimits(
        max_bytes=settings.max_upload_bytes, max_pixels=settings.max_image_pixels, max_side=settings.max_image_side
    )
