"""The sizes that SAM was published in (SAM paper, section 6 and appendix A; `build_sam.py`)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from maskforge.sam.config import SamConfig
from maskforge.sam.image_encoder import VitConfig, VitImageEncoder
from maskforge.sam.model import Sam

VARIANTS: Final[Mapping[str, VitConfig]] = MappingProxyType(
    {
        "vit_b": VitConfig(width=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11)),
        "vit_l": VitConfig(width=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23)),
        "vit_h": VitConfig(width=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31)),
    }
)


def build_sam(vit: VitConfig) -> Sam:
    """Build SAM with that image encoder and random weights."""
    config = SamConfig()
    return Sam(config, VitImageEncoder(config, vit))
