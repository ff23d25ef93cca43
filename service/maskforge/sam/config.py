"""The sizes of a promptable segmentation model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SamConfig:
    """Every size of a model; the defaults are SAM's own (`build_sam.py`; SAM paper, appendix A, where cited).

    Attributes:
        image_size: S, the side of the square frame that the image encoder sees; 1024 in "Image encoder".
        stride: Pixels of the S frame to one cell of the embedding; "16x downscaled" in "Image encoder", a ViT's patch.
        embed_dim: Channels of the embedding and of every token; 256 in "Image encoder".
        mask_in_chans: Hidden channels of the mask input's embedding.
        transformer_depth: Two-way attention blocks.
        transformer_heads: Attention heads.
        transformer_mlp_dim: Hidden width of the blocks' MLPs.
        multimask_outputs: Masks offered for an ambiguous prompt; three in "Making the model ambiguity-aware": whole,
            part and subpart (section 3, "Resolving ambiguity").
        iou_head_depth: Layers of the predicted-IoU head.
        iou_head_hidden_dim: Hidden width of the predicted-IoU head.
        prompt_map_channels: Hidden channels of the dense prompt rendering; 0 is plain SAM.
    """

    image_size: int = 1024
    stride: int = 16
    embed_dim: int = 256
    mask_in_chans: int = 16
    transformer_depth: int = 2
    transformer_heads: int = 8
    transformer_mlp_dim: int = 2048
    multimask_outputs: int = 3
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    prompt_map_channels: int = 0

    @property
    def embedding_size(self) -> int:
        """E, the side of the image embedding."""
        return self.image_size // self.stride

    @property
    def mask_size(self) -> int:
        """M, the side of the low-res logits: the decoder upscales the embedding fourfold."""
        return 4 * self.embedding_size

    @property
    def mask_tokens(self) -> int:
        """T, the masks computed for a prompt: the single mask first, then the multimask ones.

        The single mask, for prompts that leave no doubt, is the paper's "fourth output token" ("Making the model
        ambiguity-aware"), and the first in the reference (`num_mask_tokens` in `modeling/mask_decoder.py`).
        """
        return self.multimask_outputs + 1
