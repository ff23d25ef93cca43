import pytest

from maskgate.domain.granularity import Granularity, granularities

WHOLE, PART, SUBPART = Granularity


@pytest.mark.parametrize(
    ("areas", "names"),
    [
        ((5, 90, 20), (SUBPART, WHOLE, PART)),
        ((7, 7, 7), (WHOLE, PART, SUBPART)),
        ((0, 9, 3), (None, WHOLE, PART)),
        ((0, 0, 4), (None, None, WHOLE)),
        ((8, 30, 20, 10), (SUBPART, WHOLE, PART, PART)),
        ((0,), (None,)),
        ((), ()),
    ],
)
def test_readings_are_named_by_size(areas: tuple[int, ...], names: tuple[Granularity | None, ...]) -> None:
    """The largest is the whole, the smallest of three or more the subpart; an empty mask is nothing."""
    assert names == granularities(areas)
