"""The sizes of the models of these tests."""

from maskforge.sam.image_encoder import VitConfig

SMALL = VitConfig(width=48, depth=2, heads=3, global_blocks=(1,))
