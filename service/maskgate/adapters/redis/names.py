"""What keys are called in Redis: one namespace, a version of each layout; so all can be looked at and cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.domain.image import ImageId
    from maskgate.domain.mask_handle import MaskAddress

DELETED = "maskgate:1:deleted"
"""Where the identifiers of deleted images are: a sorted set, by the time in microseconds."""


def embedding_name(key: EmbeddingKey) -> str:
    """Where an embedding is. Layout 1 was a string: gateways of both layouts miss each other's, and neither fails."""
    return f"maskgate:2:embedding:{key}"


def encoding_name(key: EmbeddingKey) -> str:
    """Where it says who is making an embedding."""
    return f"maskgate:1:encoding:{key}"


def embedded_name(image_id: ImageId) -> str:
    """Where the names of an image's embeddings are."""
    return f"maskgate:1:embedded:{image_id}"


def image_name(image_id: ImageId) -> str:
    """Where an image is."""
    return f"maskgate:1:image:{image_id}"


def mask_name(address: MaskAddress) -> str:
    """Where a mask is."""
    return f"maskgate:1:mask:{address}"


def granted_name(tenant: str) -> str:
    """Where it says when a tenant has used which image."""
    return f"maskgate:1:granted:{tenant}"


def weights_name(tenant: str) -> str:
    """Where it says what a tenant's images weigh."""
    return f"maskgate:1:weights:{tenant}"


def holders_name(image_id: str) -> str:
    """Where it says which tenants have an image."""
    return f"maskgate:1:holders:{image_id}"


def quota_name(tenant: str, quota: str) -> str:
    """Where it says what a tenant has left of a quota."""
    return f"maskgate:1:quota:{quota}:{tenant}"


def generation_name(batch: str) -> str:
    """Where it says what a batch of a generation has found."""
    return f"maskgate:1:generation:{batch}"
