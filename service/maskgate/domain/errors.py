"""Everything that can go wrong, as one tree.

MaskgateError
├── InvalidRequest
│   ├── InvalidImageId
│   ├── InvalidImage
│   │   └── ImageTooLarge
│   ├── InvalidImageUrl
│   ├── InvalidPrompt
│   ├── InvalidCursor
│   └── UnknownHost
├── Unauthenticated
├── NotFound
│   ├── ImageNotFound
│   ├── MaskHandleNotFound
│   └── ModelNotFound
├── Overloaded
│   └── QuotaExceeded
├── Unavailable
│   ├── BackendUnavailable
│   │   └── EncoderStarting
│   ├── StoreUnavailable
│   ├── ImageUrlUnavailable
│   ├── CacheUnavailable
│   └── ShuttingDown
├── DeadlineExceeded
└── InferenceFailed

A leaf says what happened in one sentence for people, in `reason` for machines, and repeats each variable part of the
sentence in `metadata` (AIP-193). Which status a leaf becomes is decided in `transport/status.py` alone.
"""

from __future__ import annotations

_LONGEST_TEXT = 200  # characters; gRPC sends errors as headers, and drops what is over 8 KB in all
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0  # seconds


class MaskgateError(Exception):
    """The root. The service raises leaves; its client raises this for an error that it knows nothing of."""

    reason: str = "UNKNOWN"
    retry_after: float | None = None
    """Seconds after which the same call may succeed, if it may."""

    def __init__(self, message: str, **metadata: object) -> None:
        super().__init__(message)
        self.message = _shortened(message)
        self.metadata = {key: _shortened(str(value)) for key, value in metadata.items()}


class InvalidRequest(MaskgateError):
    """The request cannot be read at all: broken JSON, a missing field, a value of the wrong type."""

    reason = "INVALID_REQUEST"


class InvalidImageId(InvalidRequest):
    """The text is not `sha256:` and 64 lower-case hexadecimal digits."""

    reason = "INVALID_IMAGE_ID"


class InvalidImage(InvalidRequest):
    """The uploaded bytes are no image that can be read: empty, unknown format, truncated."""

    reason = "INVALID_IMAGE"


class ImageTooLarge(InvalidImage):
    """The image has more bytes or more pixels than the limits allow."""

    reason = "IMAGE_TOO_LARGE"


class InvalidImageUrl(InvalidRequest):
    """Images are not fetched from this address: it is no https address, or its host is not allowed."""

    reason = "INVALID_IMAGE_URL"


class InvalidPrompt(InvalidRequest):
    """The prompt is empty, too long, lies outside the image, or holds a value that makes no sense."""

    reason = "INVALID_PROMPT"


class InvalidCursor(InvalidRequest):
    """The cursor is none, or one of another request."""

    reason = "INVALID_CURSOR"


class UnknownHost(InvalidRequest):
    """The gateway has no keys and was asked by a name that is none of its own, as a page of another site may do."""

    reason = "UNKNOWN_HOST"


class Unauthenticated(MaskgateError):
    """The call came without an API key, or with one that is nobody's."""

    reason = "UNAUTHENTICATED"


class NotFound(MaskgateError):
    """What the request names is not there."""

    reason = "NOT_FOUND"


class ImageNotFound(NotFound):
    """No image is kept under this identifier: never uploaded, or expired. Upload it (again)."""

    reason = "IMAGE_NOT_FOUND"


class MaskHandleNotFound(NotFound):
    """No mask of this image and model is kept under this handle: expired, made room for others, or never one."""

    reason = "MASK_HANDLE_NOT_FOUND"


class ModelNotFound(NotFound):
    """The server does not serve a model of this name."""

    reason = "MODEL_NOT_FOUND"


class Overloaded(MaskgateError):
    """Too many calls are waiting already, or for longer than this one can. Try again after a while."""

    reason = "OVERLOADED"

    def __init__(self, message: str, *, retry_after: float = 1.0, **metadata: object) -> None:
        super().__init__(message, **metadata)
        self.retry_after = min(max(_SHORTEST_PAUSE, retry_after), _LONGEST_PAUSE)


class QuotaExceeded(Overloaded):
    """The tenant has used up one of its limits. Try again when there is something left."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, message: str, *, retry_after: float = 1.0, **metadata: object) -> None:
        super().__init__(message, retry_after=retry_after, **metadata)
        self.retry_after = retry_after  # however long: it is known, and not guessed as others are


class Unavailable(MaskgateError):
    """Something that the service depends on cannot be reached. The same call may succeed later."""

    reason = "UNAVAILABLE"
    retry_after = 1.0


class BackendUnavailable(Unavailable):
    """The inference server cannot be reached, is starting or shutting down, or does not serve this model at present."""

    reason = "BACKEND_UNAVAILABLE"


class EncoderStarting(BackendUnavailable):
    """No encoder runs at present; this call has asked for one. Images that were encoded before are served meanwhile."""

    reason = "ENCODER_STARTING"

    def __init__(self, message: str, *, retry_after: float = 1.0, **metadata: object) -> None:
        super().__init__(message, **metadata)
        self.retry_after = retry_after


class StoreUnavailable(Unavailable):
    """The image store cannot be reached, so it is not known whether the image is kept."""

    reason = "STORE_UNAVAILABLE"


class ImageUrlUnavailable(Unavailable):
    """An image could not be fetched. It is not told why: the answer would show what is behind the address."""

    reason = "IMAGE_URL_UNAVAILABLE"


class CacheUnavailable(Unavailable):
    """A cache cannot be read or written. Never reaches a client: the cache is then a miss."""

    reason = "CACHE_UNAVAILABLE"


class ShuttingDown(Unavailable):
    """The gateway stops, and ends what would go on. Another one may be there already."""

    reason = "SHUTTING_DOWN"


class DeadlineExceeded(MaskgateError):
    """The deadline of the call passed before the answer was there."""

    reason = "DEADLINE_EXCEEDED"


class InferenceFailed(MaskgateError):
    """The model failed on an input that should have been fine. A fault of the service."""

    reason = "INFERENCE_FAILED"


def _shortened(text: str) -> str:
    """Cut what a client has sent and is told again, and replace what is no text: half of a surrogate pair."""
    short = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
    return short.encode(errors="replace").decode()
