"""The evaluation protocol: what is asked about every mask of a photo, and what is noted of the answers.

Crowds are skipped, pixels marked `ignore` are left out, masks smaller than 0.1 % of the photo are skipped. A first
click is the pixel farthest from the mask's outside, a box the tight one. Further clicks lie where most is wrong
(`clicks.next_click`), and bring the logits that they are to correct; from the second on the single-mask token answers
(SAM paper, appendix D.1).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from maskforge.annotations import Annotation, Photo
from maskforge.clicks import centre_click, next_click, tight_box
from maskforge.evaluation.overlap import Truth, iou
from maskforge.evaluation.ports import Found, Prompt, Tokens, View

SMALLEST_MASK_SHARE: Final = 0.001
PROMPTS_AT_ONCE: Final = 16
CLICKS: Final = (3, 5, 8)
"""Numbers of clicks that are reported, beside one."""


class Estimate(NamedTuple):
    """What the model said of the mask that it would have chosen, and what was true."""

    predicted_iou: float
    stability: float
    iou: float


@dataclass(frozen=True, slots=True)
class Record:
    """What was measured on one mask.

    Attributes:
        photo: The photo's file name.
        index: Which of the photo's masks, as `read_photos` gives them.
        source: The photo's source.
        area: Pixels of the mask.
        ious: Intersection over union by figure.
        estimates: By figure, for those of which the model chose the mask itself.
    """

    photo: str
    index: int
    source: str
    area: int
    ious: dict[str, float] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One mask to find, and the notes about it."""

    truth: Truth
    record: Record

    def note(self, figure: str, found: Found) -> None:
        """Note the overlap of a mask."""
        self.record.ious[figure] = iou(found.pixels, self.truth)

    def note_choice(self, figure: str, found: Found) -> None:
        """Note the overlap of a mask that the model chose, and what it said of it."""
        self.note(figure, found)
        self.record.estimates[figure] = Estimate(found.predicted_iou, found.stability, self.record.ious[figure])


def cases(photo: Photo) -> Iterator[Sequence[Case]]:
    """Yield a photo's masks, as many at once as are asked about at once."""
    numbered = list(enumerate(photo.annotations))
    for start in range(0, len(numbered), PROMPTS_AT_ONCE):
        some = numbered[start : start + PROMPTS_AT_ONCE]
        yield [Case(Truth.of(annotation), _blank(photo, index, annotation)) for index, annotation in some]


def measure(photo: Photo, view: View) -> list[Record]:
    """Ask about all masks of a photo by boxes and by clicks."""
    records = []
    for some in cases(photo):
        _measure_boxes(some, view)
        _measure_clicks(some, view)
        records += [case.record for case in some]
    return records


def box_prompt(truth: Truth) -> Prompt:
    """Return the tight box of a mask."""
    x1, y1, x2, y2 = (int(edge) for edge in tight_box(truth.mask))
    return Prompt(box=(x1, y1, x2, y2))


def click_prompt(truth: Truth) -> Prompt:
    """Return one click in the middle of a mask."""
    return Prompt(points=((*centre_click(truth.mask), 1),))


def chosen(answer: Sequence[Found]) -> Found:
    """Return the reading of the best predicted IoU; the single-mask token is none of the readings."""
    return max(answer[1:], key=lambda found: found.predicted_iou)


def _measure_boxes(some: Sequence[Case], view: View) -> None:
    """A box; and the same box once more, with the mask that was found."""
    prompts = [box_prompt(case.truth) for case in some]
    answers = view.segment(prompts, Tokens.ALL)
    again = [prompt.corrected(chosen(answer)) for prompt, answer in zip(prompts, answers, strict=True)]
    for case, answer, (refined,) in zip(some, answers, view.segment(again, Tokens.SINGLE), strict=True):
        case.note_choice("box", chosen(answer))
        case.note("box_single", answer[0])
        case.note("box_refined", refined)


def _measure_clicks(some: Sequence[Case], view: View) -> None:
    prompts = [click_prompt(case.truth) for case in some]
    answers = view.segment(prompts, Tokens.ALL)
    rallies = [Rally(*each) for each in zip(some, prompts, map(chosen, answers), strict=True)]
    for case, answer in zip(some, answers, strict=True):
        case.note_choice("click", chosen(answer))
        case.note("click_single", answer[0])
        case.note("click_oracle", max(answer[1:], key=lambda found: iou(found.pixels, case.truth)))
    for count in range(2, max(CLICKS) + 1):
        _click_again(rallies, view)
        if count in CLICKS:
            for rally in rallies:
                rally.case.note(f"clicks_{count}", rally.found)


@dataclass(slots=True)
class Rally:
    """Clicks and answers in turn, about one mask."""

    case: Case
    prompt: Prompt
    found: Found

    def next_prompt(self) -> Prompt | None:
        """Return the clicks so far and the next one; None where nothing is left to correct."""
        click = next_click(self.found.pixels, *self.case.truth)
        return None if click is None else self.prompt.corrected(self.found, click)


def _click_again(rallies: Sequence[Rally], view: View) -> None:
    """Give each of the masks that are not perfect yet one more click."""
    asked = [(rally, prompt) for rally in rallies if (prompt := rally.next_prompt())]
    if not asked:
        return
    answers = view.segment([prompt for _, prompt in asked], Tokens.SINGLE)
    for (rally, prompt), (found,) in zip(asked, answers, strict=True):
        rally.prompt, rally.found = prompt, found


def _blank(photo: Photo, index: int, annotation: Annotation) -> Record:
    return Record(photo.path.name, index, photo.source, annotation.area)
