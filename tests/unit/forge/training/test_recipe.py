import pytest

from maskforge.training.recipe import Phase, Recipe

FIRST, LAST = Phase(10, 64, 2, 2, (1, 1)), Phase(5, 128, 1, 2, (1, 1))
RECIPE = Recipe(phases=(FIRST, LAST), warm_up=4, frozen_steps=6)


def test_the_phases_follow_one_another() -> None:
    """A phase ends when its steps are done, the last one never."""
    assert [FIRST, FIRST, LAST, LAST] == [RECIPE.phase_at(step).phase for step in (0, 9, 10, 20)]
    assert 15 == RECIPE.steps


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    """It is constant in the first phase, then falls with every step."""
    rates = [RECIPE.rate_at(step) for step in (0, 1, 3, 9, 10, 11, 14, 15)]
    assert pytest.approx([0.25, 0.5, 1, 1, 1, 0.8, 0.2, 0]) == rates


def test_the_trunk_warms_up_after_its_thaw() -> None:
    """Its rate starts anew from nearly nothing, and is zero before."""
    assert pytest.approx([0.25, 0.5, 1.0]) == [RECIPE.rate_at(step, since=6) for step in (6, 7, 9)]


def test_a_recipe_is_shortened_as_a_whole() -> None:
    """Every count of steps shrinks, and no phase vanishes."""
    short = RECIPE.shortened(0.1)
    assert [1, 1] == [phase.steps for phase in short.phases]
    assert (1, 0) == (short.frozen_steps, short.warm_up)
    assert RECIPE.learning_rate == short.learning_rate


def test_a_first_phase_may_end_when_one_likes() -> None:
    """What has mattered until then is the same whatever its length; after it, nothing is."""
    longer = RECIPE.with_first_phase(20)
    assert RECIPE.until(8) == longer.until(8)
    assert [RECIPE.rate_at(step) for step in range(10)] == [longer.rate_at(step) for step in range(10)]
    assert RECIPE.until(11) != longer.until(11)
    assert LAST == longer.phase_at(20).phase


def test_the_recipe_of_lite0_is_that_of_its_card() -> None:
    """Nobody changes by accident what `make train` does."""
    recipe = Recipe()
    assert [(10_000, 256), (3_000, 384), (2_000, 512)] == [(p.steps, p.image_size) for p in recipe.phases]
    assert pytest.approx(1) == sum(recipe.examples.source_shares.values())
