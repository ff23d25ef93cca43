"""The inference backend: models served by Triton, over gRPC."""

from maskgate.adapters.triton.backend import TritonBackend
from maskgate.adapters.triton.bounds import TritonBounds
from maskgate.adapters.triton.counted import CountedTriton
from maskgate.adapters.triton.regions import Region

__all__ = ["CountedTriton", "Region", "TritonBackend", "TritonBounds"]
