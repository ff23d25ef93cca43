import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from maskforge.annotations import BoolMask
from maskforge.evaluation.edges.benchmark import THRESHOLDS, count_matches, score
from maskforge.evaluation.edges.maps import outer_edges, pixel_edges
from maskforge.evaluation.edges.matching import match
from maskforge.evaluation.edges.photos import read_edge_photos
from maskforge.evaluation.edges.thinning import thin_lines, thin_ridges


def _row(*columns: int) -> BoolMask:
    mask = np.zeros((1, 20), np.bool_)
    mask[0, list(columns)] = True
    return mask


def test_pixels_are_paired_within_the_tolerance() -> None:
    """Two pixels apart is near enough for a tolerance of 2, three is not."""
    matching = match(_row(2, 10), _row(4, 13), 2.0)

    assert ([2], [4]) == (np.flatnonzero(matching.left).tolist(), np.flatnonzero(matching.right).tolist())


def test_each_pixel_is_paired_once() -> None:
    """Three pixels near one are one pair, whoever has it."""
    matching = match(_row(4, 5, 6), _row(5), 2.0)

    assert (1, 1) == (int(matching.left.sum()), int(matching.right.sum()))


def test_pairs_make_way_for_each_other() -> None:
    """What is nearest would leave the last one alone: 5 with 6, and 8 too far from 4. Then 5 takes 4 and 8 takes 6."""
    matching = match(_row(5, 8), _row(4, 6), 2.0)

    assert 2 == int(matching.left.sum())


def test_no_larger_matching_exists() -> None:
    """On random pixels as many are paired as an exhaustive search finds."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        left, right = rng.random((2, 6, 6)) < 0.35

        assert _largest(left, right, 1.5) == int(match(left, right, 1.5).left.sum())


def _largest(left: BoolMask, right: BoolMask, tolerance: float) -> int:
    """Kuhn's algorithm, one path after the other."""
    ours, theirs = np.argwhere(left), np.argwhere(right)
    near = [np.flatnonzero(np.hypot(*(theirs - one).T) <= tolerance) for one in ours]
    partner: dict[int, int] = {}

    def finds(one: int, seen: set[int]) -> bool:
        for other in near[one]:
            if other not in seen:
                seen.add(other)
                if other not in partner or finds(partner[other], seen):
                    partner[other] = one
                    return True
        return False

    return sum(finds(one, set()) for one in range(len(ours)))


def test_a_thick_line_becomes_a_thin_one() -> None:
    """A bar of five rows becomes one row; what is thin already stays."""
    bar = np.zeros((11, 30), np.bool_)
    bar[3:8, 4:26] = True
    thin = thin_lines(bar)

    assert 1 == thin.sum(axis=0).max()
    assert thin[5, 8:22].all()
    np.testing.assert_array_equal(thin, thin_lines(thin))


def test_a_ring_stays_a_ring() -> None:
    """Thinning keeps what is connected connected, and holes."""
    ring = np.zeros((21, 21), np.uint8)
    cv2.circle(ring, (10, 10), 7, 1, thickness=3)
    thin = thin_lines(ring.astype(np.bool_))

    lines, _ = cv2.connectedComponents(thin.astype(np.uint8), connectivity=8)
    areas, _ = cv2.connectedComponents((~thin).astype(np.uint8), connectivity=4)
    assert (2, 3) == (lines, areas)
    assert thin.sum() < 0.5 * ring.sum()


@pytest.mark.parametrize("turned", [False, True])
def test_the_ridge_of_an_edge_is_kept(*, turned: bool) -> None:
    """Of a soft edge the strongest pixels stay, whichever way it runs."""
    soft = np.tile(np.exp(-((np.arange(31, dtype=np.float32) - 15) ** 2) / 8), (31, 1))
    thin = thin_ridges(np.ascontiguousarray(soft.T) if turned else soft)
    strong = (thin.T if turned else thin) > 0

    assert strong[:, 15].all()
    assert not strong[:, :14].any()
    assert not strong[:, 17:].any()


def test_the_edge_of_a_mask_lies_just_outside() -> None:
    """A square of four pixels a side is surrounded by twenty."""
    probability = np.full((10, 10), 0.01, np.float32)
    probability[3:7, 3:7] = 0.99
    edges = outer_edges(probability) > 0

    assert 20 == edges.sum()
    assert not edges[3:7, 3:7].any()


def _counts(edges: BoolMask, *truths: BoolMask) -> list[list[int]]:
    counted: list[list[int]] = count_matches(edges.astype(np.float32), np.array(truths)).tolist()
    return counted


@pytest.fixture
def line() -> BoolMask:
    mask = np.zeros((40, 40), np.bool_)
    mask[20, 5:35] = True
    return mask


def test_the_truth_itself_is_perfect(line: BoolMask) -> None:
    """Every score of a map that is what one person drew is 1, but the area starts at the least recall."""
    counts = _counts(line, line)
    found = score([np.array(counts)])

    assert [[30, 30, 30, 30]] * len(THRESHOLDS) == counts
    assert (1, 1, 1) == (found.ods, found.ois, found.r50)


def test_a_pixel_is_right_if_anybody_drew_it(line: BoolMask) -> None:
    """Two people drew two lines: the map with one of them is all right, and has found half."""
    other = np.roll(line, 10, axis=0)
    counts = _counts(line, line, other)
    found = score([np.array(counts)])

    assert [30, 30, 30, 60] == counts[0]
    assert pytest.approx(2 / 3) == found.ods
    assert 0.5 == found.r50


def test_each_photo_may_have_its_own_threshold() -> None:
    """One photo is best at a low threshold, one at a high one: OIS is perfect, ODS is not."""
    faint = np.array([[10, 10, 10, 10], [0, 0, 0, 10]])
    strong = np.array([[10, 30, 10, 10], [10, 10, 10, 10]])
    found = score([faint, strong])

    assert 1 == found.ois
    assert pytest.approx(2 * 0.5 * 1 / 1.5) == found.ods


def test_average_precision_is_the_area_under_the_curve() -> None:
    """Precision 1 up to a recall of .5, falling to .5 at a recall of 1."""
    half, whole = [50, 50, 50, 100], [100, 200, 100, 100]
    nothing = [0, 0, 0, 100]
    found = score([np.array([whole, half, nothing])])

    rising = sum(share / 50 for share in range(51))
    falling = sum(1 - (share - 50) / 100 for share in range(51, 101))
    assert pytest.approx((rising + falling) / 100) == found.ap
    assert 1 == found.r50


def test_a_step_in_the_pixels_is_an_edge(tmp_path: Path) -> None:
    """The gradient of a photo that is half black and half white is one line; two people's bits are two masks."""
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, 20:] = 255
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    bits = np.zeros((40, 40), np.uint16)
    bits[:, 19], bits[3, 3] = 0b11, 0b10
    cv2.imwrite(str(tmp_path / "bits.png"), bits)
    entry = {"image": "photo.png", "boundaries": "bits.png", "width": 40, "height": 40, "annotators": 2}
    (tmp_path / "edges.json").write_text(json.dumps({"images": [entry]}))
    (photo,) = read_edge_photos(tmp_path)

    assert [40, 41] == [int(truth.sum()) for truth in photo.truths()]
    strong = np.flatnonzero(pixel_edges(photo).max(axis=0) > 0.5)
    assert set(strong) <= {19, 20}
    found = score([count_matches(pixel_edges(photo), photo.truths())])
    assert found.ods > 0.98


def test_a_photo_without_a_picture_is_told(tmp_path: Path) -> None:
    """A boundary file that is missing is an error of the system, not an empty map."""
    entry = {"image": "photo.png", "boundaries": "no.png", "width": 4, "height": 4, "annotators": 1}
    (tmp_path / "edges.json").write_text(json.dumps({"images": [entry]}))
    (photo,) = read_edge_photos(tmp_path)

    with pytest.raises(FileNotFoundError, match=r"no\.png"):
        photo.truths()


def test_thinning_knows_no_direction() -> None:
    """A bar keeps about the same length however it lies."""
    bar = np.zeros((30, 30), np.bool_)
    bar[12:17, 4:26] = True
    lengths = [int(thin_lines(turned).sum()) for turned in itertools.starmap(np.rot90, ((bar, n) for n in range(4)))]

    assert max(lengths) - min(lengths) <= 2
