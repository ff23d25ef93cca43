"""The two-way transformer (SAM paper, appendix A; `modeling/transformer.py`)."""

from torch import Tensor, nn
from torch.nn import functional

from maskforge.sam.config import SamConfig
from maskforge.sam.layers import LayerNorm, MLPBlock

CROSS_ATTENTION_DOWNSAMPLE = 2


class Projections(nn.Module):
    """The four linear maps of an attention, under the reference's names."""

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

    def split(self, tokens: Tensor) -> Tensor:
        """Give each head its channels: float [N,L,inner] to [N,heads,L,inner/heads]."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def by_head(self, weight: Tensor) -> Tensor:
        """Give each head its rows of a weight or bias: float [inner,...] to [heads,inner/heads,...]."""
        return weight.unflatten(0, (self.heads, -1))


class TokenAttention(Projections):
    """Tokens attend to tokens."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor) -> Tensor:
        """Attend from float [N,Q,C] to [N,L,C]; `key_bias` [N,1,1,L] is added to the scores.

        The query is scaled before the product, not the scores after it: the same in fp32, and
        safe from overflow in half precision.
        """
        scores = self.split(self.q_proj(q) * self.scale) @ self.split(self.k_proj(k)).mT + key_bias
        attended = scores.softmax(-1) @ self.split(self.v_proj(v))
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class TokenToImageAttention(Projections):
    """A few tokens attend to the whole image, of which no projection is computed.

    (W_q t) . (W_k x) = (W_k' W_q t) . x, so each head's query is carried to the width of the image instead of each
    cell to the width of the head; in the same way the values' projection comes after the weighted sum. That is 13
    projections instead of 4096, one product for all heads, and no reordering of the image by heads: the idea of
    "weight absorption" (DeepSeek-V2, section 2.1). The keys' bias shifts all scores of a query alike: softmax drops it.
    """

    def forward(self, tokens: Tensor, placed: Tensor, image: Tensor) -> Tensor:
        """Attend from float [N,T,C] to float [N,L,C], `placed` being the image with its positions."""
        queries = self.split(self.q_proj(tokens) * self.scale) @ self.by_head(self.k_proj.weight)
        attention = (placed @ queries.flatten(1, 2).mT).softmax(1)
        seen = (attention.mT @ image).unflatten(1, (self.heads, -1))
        values = seen @ self.by_head(self.v_proj.weight).mT
        return self.out_proj(values.transpose(1, 2).flatten(2) + self.v_proj.bias)


class ImageToTokenAttention(Projections):
    """The image attends to a few tokens; it is not projected either, see `TokenToImageAttention`.

    The scores stay [N,heads,T,L], softmax over T: a CPU computes 16 cells at once so, and not 13 tokens.
    """

    def forward(self, placed: Tensor, k: Tensor, v: Tensor, key_bias: Tensor) -> Tensor:
        """Attend from the image with its positions float [N,L,C] to tokens [N,T,C].

        `key_bias` [N,1,1,T] is added to the scores.
        """
        keys = self.split(self.k_proj(k) * self.scale)
        bias = keys @ self.by_head(self.q_proj.bias).unsqueeze(-1) + key_bias.mT
        scores = (keys @ self.by_head(self.q_proj.weight)).flatten(1, 2) @ placed.mT
        attention = (scores.unflatten(1, (self.heads, -1)) + bias).softmax(2).flatten(1, 2)
        values = self.split(self.v_proj(v)) @ self.by_head(self.out_proj.weight.mT)
        return attention.mT @ values.flatten(1, 2) + self.out_proj.bias


class TwoWayAttentionBlock(nn.Module):
    """Tokens attend to tokens, to the image, and the image attends to the tokens."""

    def __init__(self, config: SamConfig, *, skip_first_layer_pe: bool) -> None:
        """Build one block; the first block's tokens are their own positional encoding."""
        super().__init__()
        width, heads = config.embed_dim, config.transformer_heads
        self.self_attn = TokenAttention(width, heads)
        self.norm1 = LayerNorm(width)
        self.cross_attn_token_to_image = TokenToImageAttention(width, heads, CROSS_ATTENTION_DOWNSAMPLE)
        self.norm2 = LayerNorm(width)
        self.mlp = MLPBlock(width, config.transformer_mlp_dim, functional.relu)
        self.norm3 = LayerNorm(width)
        self.norm4 = LayerNorm(width)
        self.cross_attn_image_to_token = ImageToTokenAttention(width, heads, CROSS_ATTENTION_DOWNSAMPLE)
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
        self.final_attn_token_to_image = TokenToImageAttention(
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
