import torch

from maskforge.sam.prompt_map import PLANES, draw_prompt

SIDE, FRAME = 16, 128
CLICK = ([20.0, 100.0], 1.0)
BACKGROUND = ([90.0, 30.0], 0.0)
PAD = ([0.0, 0.0], -1.0)
EMPTY = ([55.0, 66.0], -2.0)
TOP_LEFT, BOTTOM_RIGHT = ([32.0, 16.0], 2.0), ([96.0, 64.0], 3.0)


def _draw(*slots: tuple[list[float], float]) -> torch.Tensor:
    coords = torch.tensor([[coords for coords, _ in slots]])
    labels = torch.tensor([[label for _, label in slots]])
    return draw_prompt(coords, labels, FRAME, SIDE)[0]


def test_pad_points_and_empty_slots_draw_nothing() -> None:
    """A prompt of neither point nor box is an empty map."""
    torch.testing.assert_close(torch.zeros(PLANES, SIDE, SIDE), _draw(PAD, EMPTY))


def test_empty_slots_may_come_in_any_number() -> None:
    """The map of a click does not depend on the slots around it."""
    torch.testing.assert_close(_draw(CLICK), _draw(EMPTY, CLICK, PAD, EMPTY, EMPTY))


def test_box_corners_may_lie_in_any_slot() -> None:
    """Corners are found by their labels, not by their place."""
    expected = _draw(TOP_LEFT, BOTTOM_RIGHT, CLICK)
    torch.testing.assert_close(expected, _draw(CLICK, BOTTOM_RIGHT, EMPTY, TOP_LEFT))


def test_a_click_is_brightest_where_it_lies() -> None:
    """The foreground planes peak at the click's cell, and the background plane stays dark."""
    narrow, background, wide, inside, has_box = _draw(CLICK)
    cell = (100 // 8) * SIDE + 20 // 8
    assert narrow.argmax() == wide.argmax() == cell
    assert background.max() == inside.max() == has_box.max() == 0


def test_a_background_click_has_its_own_plane() -> None:
    """Label 0 shows in the second plane alone."""
    narrow, background, wide, _, _ = _draw(BACKGROUND)
    assert background.argmax() == (30 // 8) * SIDE + 90 // 8
    assert narrow.max() == wide.max() == 0


def test_a_box_is_filled() -> None:
    """Cells well inside the box are near 1, cells well outside near 0."""
    _, _, _, inside, has_box = _draw(TOP_LEFT, BOTTOM_RIGHT)
    assert inside[5, 8] > 0.9
    assert inside[12, 8] < 0.01
    assert inside[5, 14] < 0.01
    assert has_box.min() == 1
