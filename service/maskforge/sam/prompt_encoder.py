"""The prompt encoder (SAM paper, section 3; `modeling/prompt_encoder.py`)."""

import math
from typing import Final

import torch
from torch import Tensor, nn

from maskforge.sam.config import SamConfig
from maskforge.sam.layers import LayerNorm2d, TokensFromMap

EMPTY_SLOT: Final = -2.0
PAD_POINT: Final = -1.0
BACKGROUND: Final = 0.0
FOREGROUND: Final = 1.0
BOX_TOP_LEFT: Final = 2.0
BOX_BOTTOM_RIGHT: Final = 3.0
EMBEDDED_LABELS: Final = (PAD_POINT, BACKGROUND, FOREGROUND, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT)
PIXEL_CENTRE: Final = 0.5
HAS_MASK: Final = 0.5


class PositionEmbeddingRandom(nn.Module):
    """Random Fourier features of positions (Tancik et al. 2020, cited in section 3)."""

    full_precision = True  # bf16 would round the positions to the nearest of 256
    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, width: int) -> None:
        """Draw `width // 2` spatial frequencies."""
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, width // 2))

    def forward(self, positions: Tensor) -> Tensor:
        """Encode float XY positions [..., 2] in [0, 1] as float [..., width].

        Sums instead of a matrix product: autocast would round the positions to bf16, that is to
        the nearest of 256.
        """
        across, down = self.positional_encoding_gaussian_matrix
        x, y = (2 * positions - 1).unsqueeze(-1).unbind(-2)
        phases = 2 * math.pi * (x * across + y * down)
        return torch.cat([phases.sin(), phases.cos()], dim=-1)

    def grid(self, side: int) -> Tensor:
        """Encode the centres of a square grid, row-major: float [side*side, width]."""
        centres = (torch.arange(side, device=self.device) + PIXEL_CENTRE) / side
        rows, columns = torch.meshgrid(centres, centres, indexing="ij")
        return self(torch.stack([columns, rows], dim=-1).flatten(0, 1))

    @property
    def device(self) -> torch.device:
        """Where the frequencies live."""
        return self.positional_encoding_gaussian_matrix.device


class PromptEncoder(nn.Module):
    """Embeds points, boxes and mask inputs; the parameters carry the reference's names."""

    def __init__(self, config: SamConfig) -> None:
        """Build the embeddings and the mask input's convolutions."""
        super().__init__()
        width, hidden = config.embed_dim, config.mask_in_chans
        self.pe_layer = PositionEmbeddingRandom(width)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, hidden // 4, kernel_size=2, stride=2),
            LayerNorm2d(hidden // 4),
            nn.GELU(),
            nn.Conv2d(hidden // 4, hidden, kernel_size=2, stride=2),
            LayerNorm2d(hidden),
            nn.GELU(),
            TokensFromMap(hidden, width),
        )
        self.no_mask_embed = nn.Embedding(1, width)

    def embed_points(self, coords: Tensor, labels: Tensor, image_size: int) -> Tensor:
        """Embed points and box corners as tokens (`_embed_points`, `_embed_boxes`).

        Args:
            coords: float [N,P,2], XY pixels of the S frame, before the half-pixel shift.
            labels: float [N,P]; see the constants of this module.
            image_size: S.

        Returns:
            float [N,P,C], in the precision of the embeddings. A pad point has no position; an empty slot is all zero.
        """
        placed = self.pe_layer((coords + PIXEL_CENTRE) / image_size)
        kinds = torch.tensor(EMBEDDED_LABELS, device=labels.device)
        embeddings = self._label_embeddings()
        one_hot = (labels.unsqueeze(-1) == kinds).to(embeddings.dtype)
        is_point = (labels >= BACKGROUND).unsqueeze(-1).to(placed.dtype)
        return (placed * is_point).to(embeddings.dtype) + one_hot @ embeddings

    def embed_masks(self, masks: Tensor, has_mask: Tensor) -> Tensor:
        """Embed mask inputs; `has_mask` of 0 gives the learned "no mask" instead.

        Args:
            masks: float [N,M,M], low-res logits; anything, NaN too, where there is none.
            has_mask: float [N], 0 or 1.

        Returns:
            Tokens float [N,E*E,C], row-major.
        """
        embedded = self.mask_downscaling(masks.unsqueeze(1))
        given = has_mask.reshape(-1, 1, 1) > HAS_MASK
        return torch.where(given, embedded, self.no_mask_embed.weight)  # a product with 0 would let NaN through

    def _label_embeddings(self) -> Tensor:
        points = [label.get_parameter("weight") for label in self.point_embeddings]
        return torch.cat([self.not_a_point_embed.weight, *points])
