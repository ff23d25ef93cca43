import pytest
import torch

from maskforge.lite0.model import build_lite0
from maskforge.sam.model import Sam
from maskforge.training.average import Average
from maskforge.training.drop_path import DropPath, add_drop_path
from maskforge.training.optimiser import build_optimiser, set_rates, thaw, trunk_block
from maskforge.training.recipe import Recipe

RECIPE = Recipe(frozen_steps=5, warm_up=1)


@pytest.fixture(scope="module")
def model() -> Sam:
    torch.manual_seed(0)
    return build_lite0(pretrained_trunk=False)


def learning(model: Sam) -> set[int | None]:
    return {trunk_block(name) for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_the_trunk_is_frozen_and_then_thawed_but_for_its_first_blocks(model: Sam) -> None:
    """What is not the trunk's always learns."""
    assert not thaw(model, RECIPE, 4)
    assert {None} == learning(model)
    assert thaw(model, RECIPE, 5)
    assert {None, *range(3, 16)} == learning(model)


def test_earlier_blocks_learn_more_slowly(model: Sam) -> None:
    """The last block has the trunk's rate, each one before a share of the next one's."""
    optimiser = build_optimiser(model, RECIPE)
    set_rates(optimiser, RECIPE, 100)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {trunk_block(names[id(group["params"][0])]): group["lr"] for group in optimiser.param_groups}
    assert pytest.approx(6e-4) == rates[None]
    assert pytest.approx([0.3 * 6e-4, 0.3 * 6e-4 * 0.85]) == [rates[15], rates[14]]


def test_only_weights_decay(model: Sam) -> None:
    """Biases, norms and embeddings do not."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decays = {
        names[id(p)]: group["weight_decay"]
        for group in build_optimiser(model, RECIPE).param_groups
        for p in group["params"]
    }
    assert len(names) == len(decays)
    assert 0.1 == decays["mask_decoder.transformer.layers.0.mlp.lin1.weight"]
    for name in (
        "mask_decoder.iou_token.weight",
        "mask_decoder.transformer.norm_final_attn.weight",
        "image_encoder.neck.norm.bias",
    ):
        assert 0 == decays[name]


def test_paths_are_dropped_image_by_image_in_training_only() -> None:
    """A dropped residual leaves the shortcut, a kept one is enlarged, and the mean stays."""
    torch.manual_seed(0)
    block, shortcut, output = torch.nn.Identity(), torch.ones(2000, 1), torch.full((2000, 1), 4.0)
    seen = DropPath(0.25)(block.train(), (shortcut,), output)
    assert {1.0, 5.0} == set(seen.flatten().tolist())
    assert 3.8 < seen.mean() < 4.2
    assert DropPath(0.25)(block.eval(), (shortcut,), output) is output


def test_frozen_blocks_are_not_dropped(model: Sam) -> None:
    """There are hooks at the eight residuals of the trunk after them, and at the neck's two."""
    hooks = add_drop_path(model.image_encoder, 0.1, 3)  # type: ignore[arg-type]
    assert 10 == len(hooks)
    for hook in hooks:
        hook.remove()


def test_the_average_follows_the_weights() -> None:
    """Fast at first, then by its decay; the model itself is left alone."""
    model = build_lite0(pretrained_trunk=False)
    average = Average(model, 0.9)
    with torch.no_grad():
        weight = model.mask_decoder.iou_token.weight.zero_()
        average.model.mask_decoder.iou_token.weight.fill_(1)
    average.follow(model, 2)
    assert pytest.approx(0.25) == average.model.mask_decoder.iou_token.weight[0, 0].item()
    average.follow(model, 10_000)
    assert pytest.approx(0.225) == average.model.mask_decoder.iou_token.weight[0, 0].item()
    assert 0 == weight.abs().max()
