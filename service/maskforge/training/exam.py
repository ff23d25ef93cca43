"""How well a model does on held-out photos of train/: quick, and as the evaluation asks.

IoU is measured on the logits, not on the photo's pixels, and of every source only some photos and masks are asked for.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from maskforge.annotations import BoolMask
from maskforge.clicks import centre_click, tight_box
from maskforge.sam.model import Prompts
from maskforge.sam.pixels import valid_area
from maskforge.sam.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, EMPTY_SLOT, FOREGROUND, PAD_POINT
from maskforge.training.cache import PhotoCache, StoredPhoto
from maskforge.training.corrections import Attempt, correct
from maskforge.training.crops import Crop
from maskforge.training.examples import PITCH, pad, shrink
from maskforge.training.losses import mask_iou
from maskforge.training.prompts import FIRST_SLOTS
from maskforge.training.recipe import RoundConfig
from maskforge.training.student import Student

PHOTOS: Final = 12
MASKS: Final = 4
LEAST_SHARE: Final = 0.001
"""The evaluation's, of the photo."""
CLICKS: Final = 5
MEAN: Final = "mean"
CENTRAL: Final = RoundConfig(without_point=0.0, feedback_share=1.0, centre_share=1.0)


class Question(NamedTuple):
    """A photo and K masks of it.

    Attributes:
        source: The photo's.
        image: uint8 [1,3,S,S].
        valid_hw: int32 [1,2].
        wanted: bool [K,M,M].
        counted: bool [K,M,M]; neither padding nor what is to be ignored.
        boxes: K prompts as in `Prompts`, without the axis B.
        clicks: Likewise.
    """

    source: str
    image: Tensor
    valid_hw: Tensor
    wanted: Tensor
    counted: Tensor
    boxes: Prompts
    clicks: Prompts


class Marks(NamedTuple):
    """Means over masks.

    Attributes:
        box: IoU of the tight box, the multimask output of the best predicted IoU.
        click: IoU of the central click, likewise.
        oracle: IoU of the central click, the best multimask output.
        clicks5: IoU of the single mask after five clicks, each in the middle of what was wrong.
        overrated: Predicted IoU of the click's mask less its IoU.
    """

    box: float
    click: float
    oracle: float
    clicks5: float
    overrated: float


def is_held_out(photo: StoredPhoto, one_of: int) -> bool:
    """Tell by the photo's name whether it is never trained on."""
    digest = hashlib.blake2b(photo.name.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % one_of == 0


def set_questions(cache: PhotoCache, photos: Sequence[StoredPhoto], side: int) -> list[Question]:
    """Ask for masks of the first photos of each source that have one of a fair size."""
    questions: list[Question] = []
    for source in sorted({photo.source for photo in photos}):
        asked = (_ask(cache, photo, side) for photo in photos if photo.source == source)
        questions.extend(islice((question for question in asked if question), PHOTOS))
    return questions


@torch.inference_mode()
def examine(student: Student, questions: Sequence[Question]) -> dict[str, Marks]:
    """Return the marks by source, and under `MEAN` the mean over the sources; nothing if nothing is asked."""
    rows: dict[str, list[Tensor]] = {}
    for question in questions:
        rows.setdefault(question.source, []).append(_mark(student, question))
    means = {source: torch.cat(marks).mean(0) for source, marks in rows.items()}
    if not means:
        return {}
    overall = torch.stack(list(means.values())).mean(0)
    return {source: Marks(*row.tolist()) for source, row in {**means, MEAN: overall}.items()}


def _mark(student: Student, question: Question) -> Tensor:
    """Return the marks of each mask: float32 [K,5]."""
    count = len(question.wanted)
    embeddings = student.encode(question.image, question.valid_hw).expand(count, -1, -1, -1)
    ious, predicted, _ = _answer(student, embeddings, question.boxes, question)
    box = _chosen(ious, predicted)
    ious, predicted, logits = _answer(student, embeddings, question.clicks, question)
    click, claimed = _chosen(ious, predicted), predicted[:, 1:].amax(-1)
    corrected = _click_on(student, embeddings, question, logits[torch.arange(count), predicted[:, 1:].argmax(-1) + 1])
    return torch.stack([box, click, ious[:, 1:].amax(-1), corrected, claimed - click], dim=-1)


def _click_on(student: Student, embeddings: Tensor, question: Question, mask: Tensor) -> Tensor:
    """Return the IoU float32 [K] of the single mask when all clicks are made; `mask` is the first click's."""
    prompts, rng, ious = question.clicks, np.random.default_rng(0), torch.zeros(len(mask))
    for slot in range(FIRST_SLOTS, FIRST_SLOTS + CLICKS - 1):
        prompts = correct(prompts, Attempt(mask, question.wanted, question.counted), slot, CENTRAL, rng)
        answer, _, logits = _answer(student, embeddings, prompts, question)
        ious, mask = answer[:, 0], logits[:, 0]
    return ious


def _answer(student: Student, embeddings: Tensor, prompts: Prompts, question: Question) -> tuple[Tensor, ...]:
    """Return IoU float32 [K,T], predicted IoU and logits."""
    logits, predicted = student.decode(embeddings, prompts)
    ious = mask_iou(logits > 0, question.wanted.unsqueeze(1), question.counted.unsqueeze(1))
    return ious, predicted, logits


def _chosen(ious: Tensor, predicted: Tensor) -> Tensor:
    return ious[:, 1:].gather(1, predicted[:, 1:].argmax(-1, keepdim=True)).squeeze(1)


def _ask(cache: PhotoCache, photo: StoredPhoto, side: int) -> Question | None:
    """Ask for masks of a whole photo, evenly taken of those of a fair size; None if it has none."""
    scale = side / max(photo.width, photo.height)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    crop = Crop((0, 0, photo.width, photo.height), size)
    masks = [(each, crop.cut_mask(cache.mask(photo, each.mask))) for each in photo.annotations]
    fair = [(each, mask) for each, mask in masks if mask.sum() >= LEAST_SHARE * mask.size]
    if not fair:
        return None
    asked = fair[:: max(1, len(fair) // MASKS)][:MASKS]
    valid = torch.tensor([[size[1], size[0]]], dtype=torch.int32)
    ignored = [crop.cut_mask(cache.mask(photo, each.ignored)) for each, _ in asked if each.ignored]
    counts = functional.avg_pool2d(valid_area(valid, side), PITCH)[0] > 0.5
    for mask in ignored:
        counts = counts & ~torch.from_numpy(shrink(mask, side) > 0.5)
    image = torch.from_numpy(pad(crop.cut_image(cache.image(photo)), side).transpose(2, 0, 1).copy())
    wanted = torch.from_numpy(np.stack([shrink(mask, side) > 0.5 for _, mask in asked]))
    boxes, clicks = _prompts([mask for _, mask in asked], side // PITCH)
    return Question(photo.source, image.unsqueeze(0), valid, wanted, counts.expand_as(wanted), boxes, clicks)


def _prompts(masks: Sequence[BoolMask], side: int) -> Iterator[Prompts]:
    """Yield the box prompts of masks bool [h,w] of the frame, then the click prompts."""
    boxes = [tight_box(mask).reshape(2, 2) for mask in masks]
    clicks = [np.array([centre_click(mask), (0, 0)], np.float32) for mask in masks]
    for coords, kinds in ((boxes, (BOX_TOP_LEFT, BOX_BOTTOM_RIGHT)), (clicks, (FOREGROUND, PAD_POINT))):
        labels = torch.tensor(kinds).expand(len(masks), -1)
        yield Prompts(
            functional.pad(torch.from_numpy(np.stack(coords)), (0, 0, 0, CLICKS - 1)),
            functional.pad(labels, (0, CLICKS - 1), value=EMPTY_SLOT),
            torch.zeros(len(masks), side, side),
            torch.zeros(len(masks)),
        )
