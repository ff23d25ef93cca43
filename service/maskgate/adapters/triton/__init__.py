"""The inference backend: models served by Triton, over gRPC."""

from maskgate.adapters.triton.backend import TritonBackend, TritonBounds

__all__ = ["TritonBackend", "TritonBounds"]
