"""Find the masks that a prompt means: the path of a click."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.frame import Frame
from maskgate.domain.mask import Mask, best_first
from maskgate.domain.prompt import Multimask, PromptSlots
from maskgate.domain.timing import Timing

if TYPE_CHECKING:
    from maskgate.domain.image import ImageId
    from maskgate.domain.prompt import Prompt
    from maskgate.ports import DecodedMasks, InferenceBackend, Offload
    from maskgate.usecases.admission import Admission
    from maskgate.usecases.embed_image import EmbedImage


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The masks of one prompt, highest predicted IoU first, and where the time went."""

    image_id: ImageId
    model: str
    masks: tuple[Mask, ...]
    timing: Timing


class Segment:
    """Embed, decode, upscale."""

    def __init__(
        self,
        *,
        embed: EmbedImage,
        backend: InferenceBackend,
        admission: Admission,
        offload: Offload,
        default_model: str,
    ) -> None:
        self._embed = embed
        self._backend = backend
        self._admission = admission
        self._offload = offload
        self._default_model = default_model

    async def __call__(
        self, image_id: ImageId, prompt: Prompt, *, multimask: Multimask = Multimask.AUTO, model: str = ""
    ) -> Segmentation:
        """Segment an image.

        Raises:
            InvalidPrompt: The prompt is too long for the model or lies outside the image.
            ModelNotFound: There is no such model.
            ImageNotFound: The image is not kept.
            StoreUnavailable, BackendUnavailable, Overloaded, InferenceFailed: As the ports say.
        """
        started = perf_counter()
        spec = await self._backend.spec(model or self._default_model)
        prompt.check_fits(spec)
        embedded = await self._embed(image_id, spec)
        prompt.check_inside(embedded.embedding.original)
        frame = Frame(embedded.embedding.original, spec.input_size)
        slots = PromptSlots.fill(prompt, frame=frame, slots=spec.prompt_slots)
        async with self._admission.permit() as queued:
            decoding = perf_counter()
            decoded = await self._backend.decode(spec, embedded.embedding.tensor, slots, prompt.select(multimask))
            decode = perf_counter() - decoding
        masks = await self._offload(lambda: _masks_of(decoded, frame))
        return Segmentation(
            image_id,
            spec.name,
            masks,
            Timing(
                cache_tier=embedded.tier,
                queue=embedded.queue + queued,
                encode=embedded.encode,
                decode=decode,
                total=perf_counter() - started,
            ),
        )


def _masks_of(decoded: DecodedMasks, frame: Frame) -> tuple[Mask, ...]:
    return best_first(
        [
            Mask.from_logits(logits, iou=float(iou), frame=frame)
            for logits, iou in zip(decoded.logits, decoded.ious, strict=True)
        ]
    )
