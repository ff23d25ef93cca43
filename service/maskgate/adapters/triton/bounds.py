"""The limits of what is asked of Triton."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TritonBounds:
    """Limits of the calls to Triton, times in seconds.

    Attributes:
        describe: For configuration and health.
        encode: For one image, its wait in Triton's queue included.
        decode: For one prompt, its wait in Triton's queue included.
        decode_many: Likewise, for as many as go together.
        spec_ttl: How long a model's spec is believed; an engine that was replaced is noticed after that.
        reconnect: For a connection that was lost to come back, before a call is sent again; gRPC tries once a second,
            give or take a fifth.
        retry_ratio: Second attempts for each call, in the long run; 0 for none at all.
    """

    describe: float
    encode: float
    decode: float
    decode_many: float
    spec_ttl: float
    reconnect: float = 1.5
    retry_ratio: float = 0.1
