"""lite0 put together."""

from pathlib import Path

from maskforge.checkpoints.weights import load_weights
from maskforge.lite0.encoder import Lite0ImageEncoder
from maskforge.lite0.trunk import load_pretrained_trunk
from maskforge.sam.config import SamConfig
from maskforge.sam.model import Sam

LITE0 = SamConfig(
    image_size=512,
    stride=8,
    transformer_mlp_dim=1024,
    prompt_map_channels=64,
)
"""The embedding is 256x64x64 and the masks 256x256, as SAM's."""

WEIGHTS_FILE = "weights.safetensors"
"""Under this name the weights lie beside the encoder that was made from them."""


def build_lite0(*, pretrained_trunk: bool) -> Sam:
    """Build lite0 with random weights, the trunk's from ImageNet if asked for."""
    encoder = Lite0ImageEncoder(LITE0.embed_dim)
    if pretrained_trunk:
        load_pretrained_trunk(encoder.trunk)
    return Sam(LITE0, encoder)


def load_lite0(weights: Path) -> Sam:
    """Build lite0 with the weights of a safetensors file."""
    model = build_lite0(pretrained_trunk=False)
    load_weights(model, weights)
    return model
