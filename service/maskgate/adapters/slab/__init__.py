"""L1 in memory that Triton maps as well, so that a click names its embedding instead of sending it."""

from maskgate.adapters.slab.segment import NoSharedMemoryError, Segment
from maskgate.adapters.slab.shelf import ZERO_BYTES, SlabShelf
from maskgate.adapters.slab.sweep import is_dead, sweep

__all__ = ["ZERO_BYTES", "NoSharedMemoryError", "Segment", "SlabShelf", "is_dead", "sweep"]
