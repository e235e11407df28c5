"""Adaptive layer norm: conditioning values (time step, viscosity, …) shift, scale and gate every block.

Source: W. Peebles and S. Xie, Scalable Diffusion Models with Transformers (arXiv 2212.09748), adaLN-Zero.
"""

from __future__ import annotations

from torch import Tensor, nn

from upt_models.initialise import zero_


class ConditionEmbedding(nn.Sequential):
    """Conditioning values → a vector that modulates the blocks: (B, P) → (B, D)."""

    def __init__(self, num_values: int, width: int) -> None:
        super().__init__(nn.Linear(num_values, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())


class Modulation(nn.Module):
    """Shifts, scales and gates of one block's branches, from the embedded condition: (B, D) → tensors (B, 1, D).

    The last layer starts at zero, so that a block starts as it would without a condition.

    Args:
        width: D.
        branches: residual branches of the block; each gets (shift, scale, gate).
    """

    def __init__(self, width: int, branches: int = 2) -> None:
        super().__init__()
        self.num_chunks = 3 * branches
        self.linear = nn.Linear(width, self.num_chunks * width)

    def initialise(self) -> None:
        """Starts without effect."""
        zero_(self.linear)

    def forward(self, condition_BD: Tensor) -> tuple[Tensor, ...]:
        """(shift, scale, gate) for each branch; scale and gate are relative to 1."""
        modulation_B1D: Tensor = self.linear(condition_BD).unsqueeze(1)
        return modulation_B1D.chunk(self.num_chunks, dim=-1)
