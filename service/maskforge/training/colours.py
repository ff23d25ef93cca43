"""Changes of light and colour, so that two thousand photos are seen as many more."""

import numpy as np

from maskforge.annotations import RgbImage
from maskforge.training.recipe import ExampleConfig


def jitter(image: RgbImage, config: ExampleConfig, rng: np.random.Generator) -> RgbImage:
    """Draw gamma, saturation, contrast and brightness, and apply them in this order to uint8 [h,w,3]."""
    exponent = config.gamma ** rng.uniform(-1, 1)
    curve = (255 * (np.arange(256, dtype=np.float32) / 255) ** np.float32(exponent)).astype(np.float32)
    pixels = curve[image]
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + np.float32(rng.uniform(*config.saturation)) * (pixels - grey)
    pixels = pixels * np.float32(rng.uniform(*config.contrast))
    pixels += np.float32(rng.uniform(-config.brightness, config.brightness))
    return pixels.clip(0, 255).astype(np.uint8)
