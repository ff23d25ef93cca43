"""The parts of an evaluation, each over all photos and all cores."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from maskforge.annotations import Photo
from maskforge.evaluation.baselines import measure_baselines
from maskforge.evaluation.edges.benchmark import Counts, EdgeScores, count_matches, score
from maskforge.evaluation.edges.maps import mask_edges, pixel_edges
from maskforge.evaluation.edges.photos import EdgePhoto
from maskforge.evaluation.local import LocalPredictor
from maskforge.evaluation.opening import LocalSubject, Subject
from maskforge.evaluation.pace import Pace, PacedPredictor
from maskforge.evaluation.ports import Predictor
from maskforge.evaluation.proposals import AverageRecall, Recall, average, measure_proposals
from maskforge.evaluation.protocol import Record, measure
from maskforge.processes import over_all


def measure_masks(photos: Sequence[Photo], subject: Subject, processes: int) -> tuple[list[Record], Pace]:
    """Ask about every mask of every photo."""
    results = over_all(_Masks(subject), photos, processes)
    return [record for records, _ in results for record in records], Pace.total(pace for _, pace in results)


def add_baselines(records: Sequence[Record], photos: Sequence[Photo], processes: int) -> list[Record]:
    """Add to each record what the baselines make of its mask."""
    baselines = [record for some in over_all(_Baselines(), photos, processes) for record in some]
    return [replace(one, ious=one.ious | other.ious) for one, other in zip(records, baselines, strict=True)]


def measure_recall(photos: Sequence[Photo], subject: LocalSubject, processes: int) -> AverageRecall:
    """Look which masks are found without a prompt."""
    return average(over_all(_Proposals(subject), photos, processes))


def measure_edges(photos: Sequence[EdgePhoto], subject: LocalSubject, processes: int) -> dict[str, EdgeScores]:
    """Compare edges between masks, and those of the pixels alone, with those that people drew."""
    counts = over_all(_Edges(subject), photos, processes)
    model, pixels = zip(*counts, strict=True)
    return {"masks": score(model), "pixels": score(pixels)}


@dataclass(frozen=True, slots=True)
class _Masks:
    subject: Subject

    @contextmanager
    def __call__(self) -> Iterator[Callable[[Photo], tuple[list[Record], Pace]]]:
        with self.subject.open() as predictor:
            yield partial(_measure_masks, predictor)


@dataclass(frozen=True, slots=True)
class _Baselines:
    @contextmanager
    def __call__(self) -> Iterator[Callable[[Photo], list[Record]]]:
        yield measure_baselines


@dataclass(frozen=True, slots=True)
class _Proposals:
    subject: LocalSubject

    @contextmanager
    def __call__(self) -> Iterator[Callable[[Photo], Recall]]:
        with self.subject.open() as predictor:
            yield partial(_measure_proposals, predictor)


@dataclass(frozen=True, slots=True)
class _Edges:
    subject: LocalSubject

    @contextmanager
    def __call__(self) -> Iterator[Callable[[EdgePhoto], tuple[Counts, Counts]]]:
        with self.subject.open() as predictor:
            yield partial(_measure_edges, predictor)


def _measure_masks(predictor: Predictor, photo: Photo) -> tuple[list[Record], Pace]:
    pace = Pace()
    return measure(photo, PacedPredictor(predictor, pace).look_at(photo)), pace


def _measure_proposals(predictor: LocalPredictor, photo: Photo) -> Recall:
    return measure_proposals(photo, predictor.look_at(photo))


def _measure_edges(predictor: LocalPredictor, photo: EdgePhoto) -> tuple[Counts, Counts]:
    truths = photo.truths()
    view = predictor.look_at(photo.photo)
    return count_matches(mask_edges(photo, view), truths), count_matches(pixel_edges(photo), truths)
