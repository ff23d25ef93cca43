from pathlib import Path

import pytest
import torch

from maskforge.annotations import Annotation, Photo
from maskforge.errors import InvalidCheckpoint
from maskforge.semantics.examples import Example
from maskforge.semantics.files import load_labeller, save_labeller
from maskforge.semantics.head import LabelHead, pool
from maskforge.semantics.learning import Labeller, learn
from maskforge.semantics.scoring import measure, measure_by_source
from maskforge.semantics.vocabulary import Label, label_of, learnable

CAT, SKY, HAIR = Label("cat", "object"), Label("sky", "stuff"), Label("hair", "part", "person")


def _annotation(category: str, kind: str = "instance") -> Annotation:
    return Annotation(1, {}, None, kind, category)


@pytest.mark.parametrize(
    ("category", "kind", "label"),
    [
        ("cat: bengal", "instance", CAT),
        ("sky-other-merged", "stuff", SKY),
        ("door-stuff", "stuff", Label("door", "stuff")),
        ("hair", "part", HAIR),
        ("person with clothes", "instance", Label("person", "object")),
        ("land (unpaved)", "component", Label("unpaved land", "stuff")),
        ("accessories", "part", None),
        ("", "instance", None),
    ],
)
def test_categories_are_put_in_plain_words(category: str, kind: str, label: Label | None) -> None:
    """Breeds and merged kinds lose what nobody says; parts know what they are parts of; rests have no label."""
    assert label == label_of(_annotation(category, kind))


def test_what_is_rare_is_not_learnt() -> None:
    """Ten masks are enough, nine are not; a tie that is worn is not the tie that hangs in a shop."""
    masks = (*[_annotation("tie", "part")] * 10, *[_annotation("tie")] * 9)

    assert (Label("tie", "part", "person"),) == learnable([Photo(Path(), 1, 1, "made up", masks)])


def test_features_are_what_lies_under_and_around_a_mask() -> None:
    """One channel counts columns: under the left quarter its mean is .5, around it what follows."""
    embeddings = torch.arange(8.0).expand(1, 1, 8, 8)
    logits = torch.full((1, 2, 16, 16), -20.0)
    logits[0, 0, :, :4] = 20.0
    under, around, share = pool(embeddings, logits)[0, 0].tolist()

    assert (0.5, 3.5) == (pytest.approx(under, abs=1e-3), pytest.approx(around, abs=1e-3))
    assert torch.tensor(0.25).log().item() == pytest.approx(share, abs=1e-3)


def test_an_empty_mask_has_features() -> None:
    """They are finite, as they are computed for whatever the decoder answers."""
    assert pool(torch.ones(1, 4, 8, 8), torch.full((1, 1, 16, 16), -200.0)).isfinite().all()


def _examples(seed: int, count: int) -> list[Example]:
    """Cats lie at (+, 0), sky at (0, +), hair at (-, -), each with noise; and a few strangers anywhere."""
    generator = torch.manual_seed(seed)
    places = [
        (_annotation("cat"), (3.0, 0.0)),
        (_annotation("sky-other-merged", "stuff"), (0.0, 3.0)),
        (_annotation("hair", "part"), (-3.0, -3.0)),
    ]
    named = [
        Example("pets" if annotation.category == "cat" else "coco", annotation, _feature(place, generator))
        for annotation, place in places
        for _ in range(count)
    ]
    strangers = [Example("coco", _annotation("wheel", "part"), _feature((1.0, 1.0), generator)) for _ in range(count)]
    return named + strangers


def _feature(place: tuple[float, float], generator: torch.Generator) -> torch.Tensor:
    return torch.cat([torch.tensor(place), torch.zeros(2), torch.tensor([-1.0])]) + 0.3 * torch.randn(
        5, generator=generator
    )


@pytest.fixture(scope="module")
def labeller() -> Labeller:
    return learn([[example] for example in _examples(0, 40)], (CAT, HAIR, SKY))


def test_labels_are_learnt(labeller: Labeller) -> None:
    """What lies apart is told apart, on examples that were not seen; strangers are unknown."""
    found = measure(_examples(1, 40), labeller)

    assert (120, 40) == (found.known, found.strangers)
    assert found.top1 > 0.98
    assert found.right > 0.9
    assert found.named > 0.6
    assert found.unknown > 0.9


def test_learning_is_repeatable(labeller: Labeller) -> None:
    """From the same examples the same head, to the bit."""
    again = learn([[example] for example in _examples(0, 40)], (CAT, HAIR, SKY))

    assert labeller.threshold == again.threshold
    assert torch.equal(labeller.head.classify.weight, again.head.classify.weight)


def test_each_source_is_measured() -> None:
    """A labeller that always says cat is right about pets, and about nothing else."""
    head = LabelHead(2, 3)
    torch.nn.init.zeros_(head.classify.weight)
    head.classify.bias.data = torch.tensor([5.0, 0.0, 1.0, 0.0])
    found = measure_by_source(_examples(2, 5), Labeller(head, (CAT, HAIR, SKY), threshold=0.5))

    assert ["coco", "pets", "all"] == list(found)
    assert (1.0, 0.0) == (found["pets"].top1, found["coco"].top1)
    assert (5 / 20, 5) == (found["all"].right, found["all"].strangers)
    assert (1.0, 0.0) == (found["all"].named, found["all"].unknown)


def test_a_labeller_is_written_and_read(labeller: Labeller, tmp_path: Path) -> None:
    """Head, names and threshold come back as they were."""
    save_labeller(labeller, tmp_path / "labels.safetensors")
    read = load_labeller(tmp_path / "labels.safetensors")
    features = torch.stack([example.features for example in _examples(3, 2)])

    assert (labeller.labels, labeller.threshold) == (read.labels, read.threshold)
    assert torch.equal(labeller.probabilities(features), read.probabilities(features))
    assert ["labels.safetensors"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("content", [b"", b"junk of more than eight bytes"])
def test_what_is_no_labeller_is_told(tmp_path: Path, content: bytes) -> None:
    """A file of another kind is one sentence."""
    (tmp_path / "labels.safetensors").write_bytes(content)

    with pytest.raises(InvalidCheckpoint, match="holds no labels"):
        load_labeller(tmp_path / "labels.safetensors")
