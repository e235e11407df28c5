"""Keeps the latent tokens of a sample from saying the same."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from upt_core import LossTerm, Step
from upt_losses.distance import wide


class LatentDiversity(LossTerm):
    """Mean squared cosine between different latent tokens of a sample, from 0 (all orthogonal) to 1 (all parallel).

    With more tokens than width (L > D) the tokens cannot all be orthogonal; the smallest value is then (L − D) / (D (L
    − 1)), the Welch bound. The lengths of tokens have no effect.

    Args:
        of: "current", the encoded input; "predicted", the latent after one time step.

    Source: the frame potential of Benedetto and Fickus, Adv. Comput. Math. 18 (2003); as a penalty on redundant
    attention rows: Lin et al., arXiv 1703.03130.
    """

    pointwise = False

    def __init__(self, of: Literal["current", "predicted"] = "current") -> None:
        self.of = of

    def __call__(self, step: Step) -> Tensor:
        """The mean over pairs of tokens and batch.

        Raises:
            ValueError: the latent has a single token, so that there is no pair.
        """
        latent_BLD = wide(step.latent(0 if self.of == "current" else 1))
        num_tokens = latent_BLD.shape[1]
        if num_tokens < 2:
            raise ValueError("latent_diversity compares latent tokens, but the latent has only one; remove the term")
        unit_BLD = normalize(latent_BLD, dim=-1)
        with torch.autocast(unit_BLD.device.type, enabled=False):  # cosines near 0 are lost in half precision
            cosine_BLL = torch.bmm(unit_BLD, unit_BLD.transpose(1, 2))
        off_diagonal = 1 - torch.eye(num_tokens, device=cosine_BLL.device)
        return (cosine_BLL * off_diagonal).square().sum(dim=(1, 2)).mean() / (num_tokens * (num_tokens - 1))
