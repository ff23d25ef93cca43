from maskforge.export.triton_config import render, triton_models
from maskforge.sam.config import SamConfig

CONFIG = SamConfig(image_size=64, stride=8, embed_dim=32)


def test_the_decoders_differ_in_their_number_of_prompts() -> None:
    """The decoder has one prompt to a request, the multi decoder any number."""
    encoder, decoder, multi = (render(model) for model in triton_models("tiny", CONFIG, {}))
    assert '{ name: "image" data_type: TYPE_UINT8 dims: [ 3, 64, 64 ] }' in encoder
    assert '{ name: "point_coords" data_type: TYPE_FP32 dims: [ 1, 8, 2 ] }' in decoder
    assert '{ name: "point_coords" data_type: TYPE_FP32 dims: [ -1, -1, 2 ] }' in multi
    assert '{ name: "point_labels" data_type: TYPE_FP32 dims: [ -1, -1 ] }' in multi
    assert '{ name: "low_res_masks" data_type: TYPE_FP16 dims: [ -1, 4, 32, 32 ] }' in multi


def test_the_multi_decoder_says_what_it_takes() -> None:
    """The gateway reads from it how many prompts go together, and how many slots they may have."""
    _, decoder, multi = (render(model) for model in triton_models("tiny", CONFIG, {}))
    for key, value in (("max_prompts", "64"), ("slot_buckets", "8,16,32,64")):
        line = f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'
        assert line in multi
        assert line not in decoder


def test_warm_up_has_no_free_dimension() -> None:
    """Triton makes the warm-up's data itself, so every dimension has a size."""
    for model in triton_models("tiny", CONFIG, {}):
        _, warm_up = render(model).split("model_warmup [")
        assert "-1" not in warm_up


def test_parameters_are_written_for_the_gateway() -> None:
    """What the gateway must know is in every model's configuration."""
    for model in triton_models("tiny", CONFIG, {"weights_digest": "sha256:ab"}):
        assert 'parameters { key: "weights_digest" value { string_value: "sha256:ab" } }' in render(model)
