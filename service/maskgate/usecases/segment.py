"""Find the masks that a prompt means: the path of a click."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.embedding import EmbeddingKey
from maskgate.domain.frame import Frame
from maskgate.domain.stability import resolved
from maskgate.domain.timing import Timing

if TYPE_CHECKING:
    from maskgate.domain.call import Call
    from maskgate.domain.image import ImageId, ImageSize
    from maskgate.domain.mask import DecodedMasks
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.output import RenderedMask
    from maskgate.domain.query import SegmentQuery
    from maskgate.ports import InferenceBackend
    from maskgate.usecases.decode import Decode
    from maskgate.usecases.embed_image import EmbedImage
    from maskgate.usecases.keep_masks import KeepMasks
    from maskgate.usecases.lay_out_prompt import LayOutPrompt
    from maskgate.usecases.render_masks import RenderMasks


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The masks of one prompt, highest predicted IoU first, at the image's size, and where the time went."""

    image_id: ImageId
    model: str
    size: ImageSize
    masks: tuple[RenderedMask, ...]
    timing: Timing


class Segment:
    """Embed, decode, render, keep."""

    def __init__(
        self,
        *,
        embed: EmbedImage,
        lay_out: LayOutPrompt,
        decode: Decode,
        render: RenderMasks,
        keep: KeepMasks,
        backend: InferenceBackend,
        default_model: str,
    ) -> None:
        self._embed = embed
        self._lay_out = lay_out
        self._decode = decode
        self._render = render
        self._keep = keep
        self._backend = backend
        self._default_model = default_model

    async def __call__(self, query: SegmentQuery, *, call: Call) -> Segmentation:
        """Segment an image.

        Raises:
            InvalidPrompt: The prompt is too long for the model or lies outside the image, or its mask does not fit.
            ModelNotFound: There is no such model.
            ImageNotFound: The image is not kept.
            MaskHandleNotFound: No mask of this image and model is kept under the prompt's handle.
            StoreUnavailable, BackendUnavailable, Overloaded, InferenceFailed: As the ports say.
        """
        started = perf_counter()
        spec = await self._backend.spec(query.model or self._default_model)
        query.prompt.check_fits(spec)
        async with self._embed(query.image_id, spec, call=call) as embedded:
            frame = Frame(embedded.embedding.original, spec.input_size)
            slots = await self._lay_out(query.prompt, EmbeddingKey.of(query.image_id, spec), frame, spec, call=call)
            selection = query.prompt.select(query.multimask)
            decoded = await self._decode(spec, embedded.embedding, slots, selection, call=call)
        decoded_at = perf_counter()
        masks = await self._masks(query, spec, resolved(decoded.masks, query.multimask, frame), frame, call)
        rendered_at = perf_counter()
        timing = Timing(
            cache_tier=embedded.effort.tier,
            queue=embedded.effort.queue + decoded.queue,
            encode=embedded.effort.encode,
            decode=decoded.decode,
            postprocess=rendered_at - decoded_at,
            total=rendered_at - started,
        )
        return Segmentation(query.image_id, spec.name, frame.original, masks, timing)

    async def _masks(
        self, query: SegmentQuery, spec: ModelSpec, chosen: DecodedMasks, frame: Frame, call: Call
    ) -> tuple[RenderedMask, ...]:
        masks = await self._render(chosen, frame, query.output, call=call)
        if query.output.handles is False:
            return masks
        return await self._keep(EmbeddingKey.of(query.image_id, spec), chosen, masks, call=call)
