"""The mask decoder (SAM paper, appendix A; `modeling/mask_decoder.py`)."""

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskforge.sam.config import SamConfig
from maskforge.sam.layers import MAP_NORM_EPSILON, MLP, LayerNorm
from maskforge.sam.transformer import TwoWayTransformer


class UpscaleTokens(nn.ConvTranspose2d):
    """A transposed convolution of kernel 2 and stride 2, on tokens.

    With such a kernel it is a linear map of each token to its 2x2 block, so the image need not
    be put in order before it.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        """Map `inputs` channels to `outputs`, at twice the resolution."""
        super().__init__(inputs, outputs, kernel_size=2, stride=2)

    def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
        """Turn float [N,L,inputs] into [N,4*L,outputs], each token into its block, row-major."""
        weight = self.weight.permute(2, 3, 1, 0).flatten(0, 2)
        blocks = functional.linear(tokens, weight).unflatten(-1, (4, -1)) + self.bias
        return blocks.flatten(1, 2)


class IouHead(MLP):
    """Predicts the IoU of the masks, in fp32: bf16 would tie masks that differ by less than .004."""

    full_precision = True

    def forward(self, x: Tensor) -> Tensor:
        """Map float [N,C] to float32 [N,T]."""
        return super().forward(x.to(torch.float32))


class MaskFactors(NamedTuple):
    """The masks of N prompts before they are drawn: a mask is the product of its kernel and the pixels.

    Attributes:
        kernels: float [N,T,C/8], of the hypernetworks (SAM paper, appendix A).
        pixels: float [N,16*E*E,C/8], the upscaled image: cell row, cell column, then two 2x2 blocks.
        iou: float32 [N,T], predicted.
    """

    kernels: Tensor
    pixels: Tensor
    iou: Tensor

    def only(self, chosen: Tensor) -> Self:
        """Keep one mask a prompt; `chosen` is one-hot, float [N,T]. A mask that is not wanted is not drawn."""
        kernels = (self.kernels * chosen.unsqueeze(-1).to(self.kernels.dtype)).sum(1, keepdim=True)
        return self._replace(kernels=kernels, iou=(self.iou * chosen).sum(1, keepdim=True))

    def draw(self) -> Tensor:
        """Give the logits float [N,T,4*E,4*E]."""
        return _to_image_order(self.kernels @ self.pixels.mT)


class MaskDecoder(nn.Module):
    """Predicts T masks and their IoU; the parameters carry the reference's names.

    Everything is token-major; only the finished logits are put in image order.
    """

    def __init__(self, config: SamConfig) -> None:
        """Build transformer, upscaling and heads."""
        super().__init__()
        width, tokens = config.embed_dim, config.mask_tokens
        self.transformer = TwoWayTransformer(config)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(tokens, width)
        self.output_upscaling = nn.Sequential(
            UpscaleTokens(width, width // 4),
            LayerNorm(width // 4, eps=MAP_NORM_EPSILON),
            nn.GELU(),
            UpscaleTokens(width // 4, width // 8),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(width, width, width // 8, 3) for _ in range(tokens))
        self.iou_prediction_head = IouHead(width, config.iou_head_hidden_dim, tokens, config.iou_head_depth)

    def forward(self, image: Tensor, image_pe: Tensor, prompt: Tensor, prompt_bias: Tensor) -> MaskFactors:
        """Predict masks for N prompts (`predict_masks`), all but drawing them.

        Args:
            image: float [N,E*E,C], embedding plus dense prompt, row-major.
            image_pe: float [E*E,C].
            prompt: float [N,P,C], the prompt's tokens.
            prompt_bias: float [N,P], added to the attention scores of those tokens.
        """
        outputs = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([outputs.expand(prompt.shape[0], -1, -1), prompt], dim=1)
        key_bias = functional.pad(prompt_bias, (outputs.shape[0], 0))[:, None, None, :]
        tokens, image = self.transformer(image, image_pe, tokens, key_bias)
        return MaskFactors(self._kernels(tokens), self.output_upscaling(image), self.iou_prediction_head(tokens[:, 0]))

    def _kernels(self, tokens: Tensor) -> Tensor:
        heads = enumerate(self.output_hypernetworks_mlps, start=1)
        return torch.stack([head(tokens[:, index]) for index, head in heads], dim=1)


def _to_image_order(logits: Tensor) -> Tensor:
    """Order float [N,T,E*E*16] (cell row, cell column, then two 2x2 blocks) as [N,T,4*E,4*E]."""
    count, masks, pixels = logits.shape
    side = round((pixels // 16) ** 0.5)
    blocks = logits.reshape(-1, side, side, 2, 2, 2, 2)
    return blocks.permute(0, 1, 3, 5, 2, 4, 6).reshape(count, masks, 4 * side, 4 * side)
