"""What the gateway knows of a model: its spec, read from the Triton models that serve it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The shapes and the identity of a promptable segmentation model.

    The shapes are those of the model contract (model_repository/README.md); nothing else in maskgate knows a number.

    Attributes:
        name: Name that clients use, such as "vit_h".
        input_size: S, the side of the encoder's square input in pixels.
        embedding_shape: (C, E, E) of an image embedding.
        mask_size: M, the side of the low-resolution logits.
        mask_tokens: T, the number of mask tokens: the single-mask token, then those of the ambiguous output.
        prompt_slots: P, how many points and box corners a prompt can hold, the pad point included.
        weights_digest: `sha256:<hex>` of the weights.
        precision: The precision that the graph was built for, such as "bf16".
        preprocessing: Name and version of the preprocessing, such as "longest-side-bilinear/1".
    """

    name: str
    input_size: int
    embedding_shape: tuple[int, int, int]
    mask_size: int
    mask_tokens: int
    prompt_slots: int
    weights_digest: str
    precision: str
    preprocessing: str

    @property
    def embedding_bytes(self) -> int:
        """Size of an fp16 embedding."""
        channels, height, width = self.embedding_shape
        return 2 * channels * height * width
