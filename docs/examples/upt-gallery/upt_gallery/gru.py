"""A gated recurrent unit as approximator: each token decides how much of itself it keeps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from upt_core import Approximator, DataSpec, LatentSpec


class Gru(Approximator):
    """A GRU cell on each token: its state is the token, its input the mean of all tokens and the conditions.

    The gates say which part of a token is kept and which is renewed, so a latent that should stand still can. Tokens
    know of each other by their mean alone: cheap, O(L), and enough where the state is global.

    Source: Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP 2014.
    """

    def __init__(self, data: DataSpec, latent: LatentSpec) -> None:
        super().__init__()
        self.cell = nn.GRUCell(latent.dim + len(data.condition), latent.dim)

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """latent_BLD one time step on."""
        heard = [latent_BLD.mean(1)] if condition_BP is None else [latent_BLD.mean(1), condition_BP]
        input_BLE = torch.cat(heard, dim=-1).unsqueeze(1).expand(-1, latent_BLD.shape[1], -1)
        moved: Tensor = self.cell(input_BLE.flatten(0, 1), latent_BLD.flatten(0, 1))
        return moved.unflatten(0, latent_BLD.shape[:2])
