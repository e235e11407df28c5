"""A multi-layer perceptron of two layers, applied to each token by itself."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import gelu


class MLP(nn.Module):
    """Linear, GELU, linear on the last axis.

    Args:
        width: size of the input.
        hidden: size between the layers.
        out: size of the output; None: as the input.
    """

    def __init__(self, width: int, hidden: int, out: int | None = None) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden)
        self.out = nn.Linear(hidden, width if out is None else out)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """The same function of each token."""
        out_BLD: Tensor = self.out(gelu(self.inner(x_BLD)))
        return out_BLD
