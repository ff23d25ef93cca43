"""A picture of the best, median and worst masks of each source, for people to look at."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw

from maskforge.annotations import BoolMask, Photo, RgbImage
from maskforge.clicks import tight_box
from maskforge.evaluation.opening import Subject
from maskforge.evaluation.overlap import Truth
from maskforge.evaluation.ports import Predictor, Prompt, Tokens
from maskforge.evaluation.protocol import Record, box_prompt, chosen, click_prompt
from maskforge.evaluation.statistics import sources_of
from maskforge.processes import over_all

TILE: Final = 220
CAPTION: Final = 16
MARGIN: Final = 0.4
"""Of the mask's longest side, shown around it."""
RANKS: Final = ("best", "median", "worst")
PROMPTS: Final = {"click": click_prompt, "box": box_prompt}
FOUND, DRAWN, PROMPT = (255, 64, 0), (255, 255, 255), (0, 200, 255)


@dataclass(frozen=True, slots=True)
class Pick:
    """A mask to show."""

    photo: Photo
    record: Record
    figure: str
    rank: str

    @property
    def caption(self) -> str:
        """What stands below it."""
        return f"{self.record.source}: {self.rank} {self.figure} {self.record.ious[self.figure]:.2f}"


def draw_contact_sheet(
    photos: Sequence[Photo], records: Sequence[Record], subject: Subject, processes: int
) -> Image.Image:
    """Draw a column for each source, and for clicks and boxes three rows: RGB."""
    picks = pick(photos, records)
    tiles = over_all(_Tiles(subject), picks, processes)
    rows = len(PROMPTS) * len(RANKS)
    columns = len(tiles) // rows
    sheet = Image.new("RGB", (columns * TILE, rows * (TILE + CAPTION)), "black")
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        sheet.paste(Image.fromarray(tile), (column * TILE, row * (TILE + CAPTION)))
    return sheet


def pick(photos: Sequence[Photo], records: Sequence[Record]) -> list[Pick]:
    """Choose what to show, row by row."""
    by_name = {photo.path.name: photo for photo in photos}
    return [
        Pick(by_name[record.photo], record, figure, rank)
        for figure in PROMPTS
        for rank in RANKS
        for record in (_ranked(some, figure, rank) for some in sources_of(records).values())
    ]


def draw_tile(picked: Pick, found: BoolMask, truth: Truth, prompt: Prompt) -> RgbImage:
    """Draw a mask, filled, the outline that somebody drew, and the prompt over a photo: uint8 [TILE+CAPTION,TILE,3]."""
    pixels: RgbImage = np.array(picked.photo.read())
    pixels[found] = (pixels[found] * 0.5 + np.array(FOUND) * 0.5).astype(np.uint8)
    x, y, side = _square(truth.mask)
    scale = TILE / side
    placed = cv2.warpAffine(pixels, np.array([[scale, 0, -x * scale], [0, scale, -y * scale]]), (TILE, TILE))
    tile = placed.astype(np.uint8)
    outlines, _ = cv2.findContours(truth.mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    places = [((outline - (x, y)) * scale).astype(np.int32) for outline in outlines]
    cv2.polylines(tile, places, isClosed=True, color=DRAWN)
    _draw_prompt(tile, prompt, lambda px, py: (int((px - x) * scale), int((py - y) * scale)))
    return _captioned(tile, picked.caption)


@dataclass(frozen=True, slots=True)
class _Tiles:
    subject: Subject

    @contextmanager
    def __call__(self) -> Iterator[Callable[[Pick], RgbImage]]:
        with self.subject.open() as predictor:
            yield partial(_tile, predictor)


def _tile(predictor: Predictor, picked: Pick) -> RgbImage:
    truth = Truth.of(picked.photo.annotations[picked.record.index])
    prompt = PROMPTS[picked.figure](truth)
    (answer,) = predictor.look_at(picked.photo).segment([prompt], Tokens.ALL)
    return draw_tile(picked, chosen(answer).pixels, truth, prompt)


def _ranked(records: Sequence[Record], figure: str, rank: str) -> Record:
    ordered = sorted(records, key=lambda record: -record.ious[figure])
    return ordered[{"best": 0, "median": len(ordered) // 2, "worst": -1}[rank]]


def _square(mask: BoolMask) -> tuple[float, float, float]:
    """Return x, y and side of the square that shows a mask and what is around it."""
    x1, y1, x2, y2 = (float(edge) for edge in tight_box(mask))
    side = min(max(x2 - x1, y2 - y1) * (1 + 2 * MARGIN), float(max(mask.shape)))
    height, width = mask.shape
    return _placed((x1 + x2) / 2, side, width), _placed((y1 + y2) / 2, side, height), side


def _placed(centre: float, side: float, extent: int) -> float:
    """Return where a side begins that shows as little as can be beyond the photo."""
    if side >= extent:
        return (extent - side) / 2
    return min(max(centre - side / 2, 0.0), extent - side)


def _draw_prompt(tile: RgbImage, prompt: Prompt, place: Callable[[float, float], tuple[int, int]]) -> None:
    if prompt.box:
        x1, y1, x2, y2 = prompt.box
        cv2.rectangle(tile, place(x1, y1), place(x2, y2), PROMPT)
    for x, y, _ in prompt.points:
        cv2.circle(tile, place(x + 0.5, y + 0.5), 4, PROMPT, cv2.FILLED)


def _captioned(tile: RgbImage, caption: str) -> RgbImage:
    picture = Image.new("RGB", (TILE, TILE + CAPTION))
    picture.paste(Image.fromarray(tile))
    ImageDraw.Draw(picture).text((3, TILE + 2), caption, fill="white")
    return np.array(picture)
