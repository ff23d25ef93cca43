"""SAM's image encoder: a ViT with windowed and global attention (`modeling/image_encoder.py`).

Its shape is in the SAM paper, appendix A, "Image encoder": a ViT of 16x16 patches on 1024x1024 pixels, so an embedding
of 64x64; then a 1x1 convolution to 256 channels and a 3x3 one that keeps them, each followed by a layer norm.

Written for export: every shape but the batch's is a constant, and the table of relative positions is gathered by
constant indices. Tokens stay [B,E*E,C], never [B,E,E,C], which OpenVINO takes for an image and reorders at each block
(2.6 s instead of 1.6 for a ViT-B with norms in fp32).
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskforge.sam.config import SamConfig
from maskforge.sam.layers import LayerNorm, LayerNorm2d, MLPBlock
from maskforge.sam.pixels import PixelNormalisation
from maskforge.sam.precision import cast_for

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
"""ImageNet's, in RGB and 0 to 255 (`modeling/sam.py`)."""


@dataclass(frozen=True, slots=True)
class VitConfig:
    """The sizes of an image encoder (`build_sam.py`).

    Attributes:
        width: Channels of a token.
        depth: Transformer blocks.
        heads: Attention heads.
        global_blocks: Blocks that attend to the whole image; the others attend within windows (Li et al. 2022,
            ViTDet; "14x14 windowed attention and four equally-spaced global attention blocks", appendix A).
        window: Side of a window, in tokens.
        mlp_ratio: Hidden width of a block's MLP, as a multiple of `width`.
    """

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    window: int = 14
    mlp_ratio: int = 4


class VitImageEncoder(nn.Module):
    """Normalises, zeroes the padding, embeds the patches, runs the blocks and the neck.

    Patches are `config.stride` pixels wide, SAM's 16, and the neck ends in `config.embed_dim` channels, SAM's 256
    (appendix A; `vit_patch_size` and `prompt_embed_dim` in `build_sam.py`).
    """

    def __init__(self, config: SamConfig, vit: VitConfig) -> None:
        """Build an encoder whose tokens are `config.stride` pixels apart."""
        super().__init__()
        side = config.embedding_size
        self.normalise = PixelNormalisation(PIXEL_MEAN, PIXEL_STD)
        self.patch_embed = PatchEmbed(config.stride, vit.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, side, side, vit.width))
        self.blocks = nn.ModuleList(
            Block(vit, None if index in vit.global_blocks else vit.window, side) for index in range(vit.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(vit.width, config.embed_dim, kernel_size=1, bias=False),
            MapNorm(config.embed_dim),
            nn.Conv2d(config.embed_dim, config.embed_dim, kernel_size=3, padding=1, bias=False),
            MapNorm(config.embed_dim),
        )

    def forward(self, image: Tensor, valid_hw: Tensor) -> Tensor:
        """Encode RGB images.

        Args:
            image: uint8 [B,3,S,S], RGB, padded right and bottom with anything.
            valid_hw: int32 [B,2], height and width of the part that is not padding.

        Returns:
            float [B,C,E,E].
        """
        tokens = self.patch_embed(self.normalise(image, valid_hw)) + self.pos_embed.flatten(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return self.neck(tokens.mT.unflatten(-1, self.pos_embed.shape[1:3]))


class MapNorm(LayerNorm2d):
    """`LayerNorm2d` on tokens [B,H*W,C]: OpenVINO reorders an image [B,H,W,C] for it (7 ms each on two cores)."""

    def forward(self, image: Tensor) -> Tensor:
        """Normalise float [N,C,H,W] over C."""
        return LayerNorm.forward(self, image.flatten(2).mT).mT.unflatten(-1, image.shape[2:])


class PatchEmbed(nn.Module):
    """One linear map of each patch, written as the convolution that it is stored as."""

    def __init__(self, patch: int, width: int) -> None:
        """Embed patches of `patch` pixels as `width` channels."""
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch, stride=patch)

    def forward(self, image: Tensor) -> Tensor:
        """Map float [B,3,S,S] to tokens [B,E*E,width], row-major."""
        return self.proj(cast_for(self.proj, image)).flatten(2).mT


class Block(nn.Module):
    """A pre-norm transformer block; `window` of None attends to the whole image."""

    def __init__(self, vit: VitConfig, window: int | None, side: int) -> None:
        """Build a block on an image of `side` x `side` tokens."""
        super().__init__()
        norm = partial(LayerNorm, vit.width, eps=1e-6)
        self.norm1 = norm()
        self.attn = RelativeAttention(vit.width, vit.heads, Windows(window or side, side))
        self.norm2 = norm()
        self.mlp = MLPBlock(vit.width, vit.width * vit.mlp_ratio, functional.gelu)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens float [B,E*E,width] to the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


@dataclass(frozen=True, slots=True)
class Windows:
    """Parts an image of `side` x `side` tokens into windows, padded with zeros where they stick out."""

    window: int
    side: int

    @property
    def across(self) -> int:
        """Windows in a row."""
        return -(-self.side // self.window)

    def part(self, tokens: Tensor, heads: int) -> Tensor:
        """Turn queries, keys and values, tokens float [B,side*side,3*heads*C], into [3,B*windows,heads,area,C]."""
        missing = self.across * self.window - self.side
        padded = functional.pad(tokens.unflatten(1, (self.side, self.side)), (0, 0, 0, missing, 0, missing))
        tiles = padded.unflatten(-1, (3, heads, -1)).unflatten(2, (self.across, -1)).unflatten(1, (self.across, -1))
        return tiles.permute(5, 0, 1, 3, 6, 2, 4, 7).flatten(1, 3).flatten(3, 4)

    def merge(self, attended: Tensor) -> Tensor:
        """Undo `part` of one of the three: [B*windows,heads,area,C] to tokens [B,side*side,heads*C]."""
        tiles = attended.unflatten(2, (self.window, self.window)).unflatten(0, (-1, self.across, self.across))
        image = tiles.permute(0, 1, 4, 2, 5, 3, 6).flatten(5).flatten(3, 4).flatten(1, 2)
        return image[:, : self.side, : self.side].flatten(1, 2)


class RelativeAttention(nn.Module):
    """Self-attention within square windows, with decomposed relative positions (`add_decomposed_rel_pos`).

    The reference pads tokens with zeros, whose keys and values are the projection's bias, and which take part. Here
    windows are parted after the projection, which saves it a fifth of its tokens (4900 instead of 4096), and neither
    keys nor values have a bias, so that those of the padding are zero. It is the same attention: the keys' bias shifts
    all scores of a query alike, and softmax drops it; the values' passes any weighted mean as it is, and is added then.
    """

    def __init__(self, width: int, heads: int, windows: Windows) -> None:
        """Attend with `heads` heads."""
        super().__init__()
        self.heads = heads
        self.windows = windows
        self.side = windows.window
        self.scale = (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * self.side - 1, width // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * self.side - 1, width // heads))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens float [B,E*E,width] to the same shape."""
        width = tokens.shape[-1]
        queries_bias = functional.pad(self.qkv.bias[:width], (0, 2 * width))
        qkv = functional.linear(tokens, self.qkv.weight, queries_bias)
        q, k, v = self.windows.part(qkv, self.heads).unbind(0)
        scores = ((q * self.scale) @ k.mT).unflatten(-1, (self.side, self.side)) + self._bias(q)
        attended = self.windows.merge(scores.flatten(-2).softmax(-1) @ v)
        return self.proj(attended + self.qkv.bias[2 * width :])

    def _bias(self, q: Tensor) -> Tensor:
        """Score q float [N,heads,area,C] against rows and columns: [N,heads,area,side,side]."""
        grid = q.unflatten(2, (self.side, self.side))
        rows = (grid @ self._relative(self.rel_pos_h).mT).flatten(2, 3)
        columns = (grid.transpose(2, 3) @ self._relative(self.rel_pos_w).mT).transpose(2, 3).flatten(2, 3)
        return rows.unsqueeze(-1) + columns.unsqueeze(-2)

    def _relative(self, positions: Tensor) -> Tensor:
        """Gather positions float [2*side-1,C] by query and key: [side,side,C]."""
        line = torch.arange(self.side, device=positions.device)
        return positions[line[:, None] - line[None, :] + self.side - 1]
