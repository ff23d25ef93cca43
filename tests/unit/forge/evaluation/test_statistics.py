import pytest

from maskforge.evaluation.calibration import Bin, calibrate
from maskforge.evaluation.protocol import Estimate, Record
from maskforge.evaluation.statistics import MEAN, Interval, by_size, by_source, intervals, size_of


def _record(source: str, iou: float, *, photo: str = "", area: int = 1, predicted: float = 0.0) -> Record:
    return Record(photo, 0, source, area, {"box": iou}, {"box": Estimate(predicted, predicted / 2, iou)})


def test_the_mean_is_over_sources_not_masks() -> None:
    """A source with three masks weighs as much as one with one."""
    rows = by_source([*[_record("many", 0.0, photo="a")] * 3, _record("few", 1.0, photo="b")])

    assert 0.5 == rows[MEAN].ious["box"]
    assert (2, 4, 1) == (rows[MEAN].photos, rows[MEAN].masks, rows["few"].photos)


@pytest.mark.parametrize(("area", "size"), [(1023, "small"), (1024, "medium"), (9215, "medium"), (9216, "large")])
def test_sizes_are_those_of_coco(area: int, size: str) -> None:
    """Small is below 32 x 32 pixels, medium below 96 x 96."""
    assert size == size_of(area)


def test_a_size_is_averaged_over_the_sources_that_have_it() -> None:
    """A source without small masks does not count for them, and a size without masks has no row."""
    rows = by_size([_record("a", 0.2), _record("b", 0.4, area=10**6), _record("a", 0.8, area=10**6)])

    assert {"small": 0.2, "large": pytest.approx(0.6)} == {size: row.ious["box"] for size, row in rows.items()}


def test_intervals_come_from_photos() -> None:
    """Two masks of one photo are drawn together: with one photo in a source nothing varies."""
    records = [_record("a", 0.0, photo="one"), _record("a", 1.0, photo="one")]

    assert Interval(0.5, 0.5) == intervals(records, ["box"])["box"]


def test_an_interval_is_as_wide_as_chance_makes_it() -> None:
    """A hundred photos of which half are right: the mean is .5, and its standard error .05."""
    records = [_record("a", float(index % 2), photo=str(index)) for index in range(100)]
    interval = intervals(records, ["box"])["box"]

    assert pytest.approx(0.5 - 1.96 * 0.05, abs=0.015) == interval.low
    assert pytest.approx(0.5 + 1.96 * 0.05, abs=0.015) == interval.high


def test_calibration_compares_what_was_said_with_what_was_true() -> None:
    """The gap is between means over sources, the expected error over the masks of each bin."""
    records = [
        _record("a", 0.5, predicted=0.91),
        _record("a", 0.7, predicted=0.93),
        _record("b", 0.1, predicted=0.2),
        _record("b", 0.3, predicted=1.02),
    ]
    found = calibrate(records, "box")

    assert pytest.approx(((0.92 + 0.61) / 2) - ((0.6 + 0.2) / 2)) == found.gap
    assert [(0.2, 0.3, 1), (0.9, 1.0, 3)] == [(one.low, one.high, one.masks) for one in found.bins]
    assert Bin(0.2, 0.3, 1, 0.2, 0.1) == found.bins[0]
    assert pytest.approx((1 * 0.1 + 3 * (2.86 / 3 - 0.5)) / 4) == found.expected_error
    assert pytest.approx((0.46 + 0.305) / 2) == found.stability
