"""Values and arithmetic of promptable segmentation: standard library and numpy, no I/O."""
