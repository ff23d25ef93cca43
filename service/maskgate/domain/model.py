"""What the gateway knows of a model: its spec, read from the Triton models that serve it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """What a model was built from. Embeddings of one engine are nothing that another one could decode.

    Attributes: As those of ModelSpec.
    """

    model: str
    weights_digest: str
    precision: str
    preprocessing: str


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
        prompt_slots: P, how many points and box corners a short prompt can hold, the pad point included.
        slot_buckets: The numbers of slots that prompts may be filled up to, ascending; P is the first. Longer ones than
            P, and several at once, go to the decoder of many prompts.
        max_prompts: How many prompts on one image may be decoded at once; 1 where there is no decoder of many.
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
    slot_buckets: tuple[int, ...]
    max_prompts: int
    weights_digest: str
    precision: str
    preprocessing: str

    @property
    def engine(self) -> Engine:
        """What it was built from."""
        return Engine(self.name, self.weights_digest, self.precision, self.preprocessing)

    @property
    def embedding_bytes(self) -> int:
        """Size of an fp16 embedding."""
        channels, height, width = self.embedding_shape
        return 2 * channels * height * width

    @property
    def mask_bytes(self) -> int:
        """Size of fp16 logits."""
        return 2 * self.mask_size**2

    def bucket(self, slots: int) -> int:
        """Return the smallest bucket with so many slots; there is one for what `Prompt.check_fits` has let pass."""
        return next(bucket for bucket in self.slot_buckets if bucket >= slots)

    @property
    def max_points(self) -> int:
        """Most points of a prompt without a box, whose place a pad point takes; a box takes two slots."""
        return self.slot_buckets[-1] - 1


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that clients may ask for.

    Attributes:
        name: Its name.
        is_default: Whether calls without a name mean it.
        spec: What is known of it; None while it does not answer.
    """

    name: str
    is_default: bool
    spec: ModelSpec | None
