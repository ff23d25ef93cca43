"""A whole promptable model: image encoder, prompt encoder, mask decoder."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from maskforge.sam.config import SamConfig
from maskforge.sam.mask_decoder import MaskDecoder, MaskFactors
from maskforge.sam.prompt_encoder import EMPTY_SLOT, PromptEncoder
from maskforge.sam.prompt_map import PromptMap

HIDDEN_KEY_BIAS = -1e4
PREFER_MULTIMASK = 0.5


class Prompts(NamedTuple):
    """Prompts of B images, K each, with P slots.

    Attributes:
        point_coords: float [B,K,P,2], XY pixels of the S frame.
        point_labels: float [B,K,P]; 1/0 points, 2/3 box corners, -1 SAM's pad point, -2 empty.
        mask_input: float [B,K,M,M], low-res logits.
        has_mask_input: float [B,K], 0 or 1.
    """

    point_coords: Tensor
    point_labels: Tensor
    mask_input: Tensor
    has_mask_input: Tensor


class Sam(nn.Module):
    """SAM with any image encoder; `prompt_map` is there only if the configuration asks for it."""

    def __init__(self, config: SamConfig, image_encoder: nn.Module) -> None:
        """Put the parts together under the reference's attribute names."""
        super().__init__()
        self.config = config
        self.image_encoder = image_encoder
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config)
        if config.prompt_map_channels:
            self.prompt_map = PromptMap(config.prompt_map_channels, config.embed_dim)

    @property
    def dtype(self) -> torch.dtype:
        """What the decoder computes in, apart from the modules that keep fp32."""
        return self.mask_decoder.iou_token.weight.dtype

    def encode(self, image: Tensor, valid_hw: Tensor) -> Tensor:
        """Encode uint8 RGB [B,3,S,S], valid to int [B,2] (h,w), as float [B,C,E,E]."""
        return self.image_encoder(image, valid_hw)

    def decode(self, embeddings: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Decode every prompt: logits float [B,K,T,M,M] and predicted IoU float32 [B,K,T]."""
        batch = prompts.point_labels.shape[:2]
        factors = self.decode_factors(embeddings, prompts)
        return factors.draw().unflatten(0, batch), factors.iou.unflatten(0, batch)

    def decode_factors(self, embeddings: Tensor, prompts: Prompts) -> MaskFactors:
        """Decode every prompt, the B*K in one row, all but drawing the masks.

        The frame follows from the embedding: E is its side and S is E * stride. Each image's
        embedding is broadcast over its K prompts.
        """
        side = embeddings.shape[-1]
        batch = prompts.point_labels.shape[:2]
        flat = Prompts(*(tensor.flatten(0, 1) for tensor in prompts))
        dense = self._embed_dense(flat, side).unflatten(0, batch)
        image = (_tokens(embeddings.to(self.dtype)).unsqueeze(1) + dense).flatten(0, 1)
        factors: MaskFactors = self.mask_decoder(
            image,
            self.prompt_encoder.pe_layer.grid(side).to(self.dtype),
            self._embed_sparse(flat, side),
            (flat.point_labels == EMPTY_SLOT).to(self.dtype) * HIDDEN_KEY_BIAS,
        )
        return factors

    def _embed_sparse(self, prompts: Prompts, side: int) -> Tensor:
        return self.prompt_encoder.embed_points(prompts.point_coords, prompts.point_labels, side * self.config.stride)

    def _embed_dense(self, prompts: Prompts, side: int) -> Tensor:
        dense = self.prompt_encoder.embed_masks(prompts.mask_input.to(self.dtype), prompts.has_mask_input)
        if not self.config.prompt_map_channels:
            return dense
        image_size = side * self.config.stride
        return dense + self.prompt_map(prompts.point_coords, prompts.point_labels, image_size, side)


def _tokens(image: Tensor) -> Tensor:
    """Turn a map float [N,C,H,W] into tokens [N,H*W,C], row-major.

    A transpose of two axes, written with four, (0,3,1,2): OpenVINO has a fast kernel for those alone (0.3 ms instead
    of 1.2 for an embedding of SAM's size).
    """
    count, channels = image.shape[:2]
    halves = image.reshape(count, 16, channels // 16, -1)
    return halves.permute(0, 3, 1, 2).flatten(2)


def choose_token(iou: Tensor, select: Tensor) -> Tensor:
    """Choose one mask a prompt: the single-mask token, or the best of the multimask tokens.

    The reference derives the choice from the number of points (`utils/onnx.py`, select_masks),
    which padded slots would break, so here it is an input.

    Args:
        iou: float [N,T], predicted.
        select: float [N]; 0 takes token 0, 1 the best predicted IoU of tokens 1 to T-1.

    Returns:
        One-hot, float [N,T].
    """
    best = iou[..., 1:].argmax(-1) + 1
    chosen = torch.where(select > PREFER_MULTIMASK, best, torch.zeros_like(best))
    return (chosen.unsqueeze(-1) == torch.arange(iou.shape[-1], device=iou.device)).to(iou.dtype)
