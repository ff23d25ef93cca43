"""The two-way transformer (SAM paper, appendix A; `modeling/transformer.py`)."""

from torch import Tensor, nn
from torch.nn import functional

from maskforge.sam.config import SamConfig
from maskforge.sam.layers import LayerNorm, MLPBlock

CROSS_ATTENTION_DOWNSAMPLE = 2


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than the tokens'."""

    def __init__(self, width: int, heads: int, downsample: int = 1) -> None:
        """Attend with `heads` heads at an inner width of `width // downsample`."""
        super().__init__()
        inner = width // downsample
        self.heads = heads
        self.scale = (inner // heads) ** -0.5
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(width, inner)
        self.v_proj = nn.Linear(width, inner)
        self.out_proj = nn.Linear(inner, width)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor | None = None) -> Tensor:
        """Attend from float [N,Q,C] to [N,L,C]; `key_bias` [N,1,1,L] is added to the scores.

        The query is scaled before the product, not the scores after it: the same in fp32, and
        safe from overflow in half precision.
        """
        scores = self._split(self.q_proj(q) * self.scale) @ self._split(self.k_proj(k)).mT
        if key_bias is not None:
            scores = scores + key_bias
        attended = scores.softmax(-1) @ self._split(self.v_proj(v))
        return self.out_proj(attended.transpose(1, 2).flatten(2))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class TwoWayAttentionBlock(nn.Module):
    """Tokens attend to tokens, to the image, and the image attends to the tokens."""

    def __init__(self, config: SamConfig, *, skip_first_layer_pe: bool) -> None:
        """Build one block; the first block's tokens are their own positional encoding."""
        super().__init__()
        width, heads = config.embed_dim, config.transformer_heads
        self.self_attn = Attention(width, heads)
        self.norm1 = LayerNorm(width)
        self.cross_attn_token_to_image = Attention(width, heads, CROSS_ATTENTION_DOWNSAMPLE)
        self.norm2 = LayerNorm(width)
        self.mlp = MLPBlock(width, config.transformer_mlp_dim, functional.relu)
        self.norm3 = LayerNorm(width)
        self.norm4 = LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, heads, CROSS_ATTENTION_DOWNSAMPLE)
        self.skip_first_layer_pe = skip_first_layer_pe

    def forward(
        self, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor, key_bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update tokens float [N,L,C] and image float [N,E*E,C].

        `key_bias` [N,1,1,L] hides empty slots wherever tokens are attended to.
        """
        queries = self.norm1(self._attend_tokens(queries, query_pe, key_bias))
        placed = keys + key_pe
        seen = self.cross_attn_token_to_image(queries + query_pe, placed, keys)
        queries = self.norm2(queries + seen)
        queries = self.norm3(queries + self.mlp(queries))
        told = self.cross_attn_image_to_token(placed, queries + query_pe, queries, key_bias)
        return queries, self.norm4(keys + told)

    def _attend_tokens(self, queries: Tensor, query_pe: Tensor, key_bias: Tensor) -> Tensor:
        if self.skip_first_layer_pe:
            return self.self_attn(queries, queries, queries, key_bias)
        placed = queries + query_pe
        return queries + self.self_attn(placed, placed, queries, key_bias)


class TwoWayTransformer(nn.Module):
    """The mask decoder's transformer: blocks, then one last look at the image."""

    def __init__(self, config: SamConfig) -> None:
        """Build `config.transformer_depth` blocks."""
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayAttentionBlock(config, skip_first_layer_pe=index == 0) for index in range(config.transformer_depth)
        )
        self.final_attn_token_to_image = Attention(
            config.embed_dim, config.transformer_heads, CROSS_ATTENTION_DOWNSAMPLE
        )
        self.norm_final_attn = LayerNorm(config.embed_dim)

    def forward(self, image: Tensor, image_pe: Tensor, tokens: Tensor, key_bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens float [N,L,C] and the image float [N,E*E,C] after all blocks.

        Args:
            image: float [N,E*E,C], row-major cells of the embedding.
            image_pe: float [E*E,C], broadcast over N.
            tokens: float [N,L,C], also their own positional encoding.
            key_bias: float [N,1,1,L], 0 or a large negative number.
        """
        queries, keys = tokens, image
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, image_pe, key_bias)
        seen = self.final_attn_token_to_image(queries + tokens, keys + image_pe, keys)
        return self.norm_final_attn(queries + seen), keys
