"""Linear attention: every token attends to all through one sum over them, so that the cost is linear in them.

Source: S. Cao, Choose a Transformer: Fourier or Galerkin (arXiv 2105.14995), attention without a softmax, of Fourier
type; here queries and keys are scaled to one size instead of a learned norm.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import rms_norm


def linear_attention(query_BHLd: Tensor, key_BHLd: Tensor, value_BHLd: Tensor, mask_BL: Tensor | None) -> Tensor:
    """``q (kᵀ v) / (L √d)`` with queries and keys of size √d: (B, H, L, d) → (B, H, L, d).

    That is the mean over tokens of their values, weighted by their scaled dot products with the query, of either sign.
    The sum kᵀ v is one matrix (d, d) of each head, so the cost is L · d².

    Args:
        mask_BL: True where a token may be attended to; None: everywhere.
    """
    tokens, width = query_BHLd.shape[-2:]
    query_BHLd, key_BHLd = rms_norm(query_BHLd, (width,)), rms_norm(key_BHLd, (width,))
    share: Tensor | float = tokens**-0.5  # of keys and of values, so that no sum leaves the range of float16
    if mask_BL is not None:
        heard_BL = mask_BL / mask_BL.sum(dim=1, keepdim=True).clamp_min(1).sqrt()
        share = heard_BL[:, None, :, None].to(value_BHLd.dtype)
    sum_BHdd = (key_BHLd * share).transpose(-1, -2) @ (value_BHLd * share)
    heard_BHLd: Tensor = query_BHLd @ sum_BHdd / width**0.5
    return heard_BHLd
