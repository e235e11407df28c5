"""Evidence that a mean is not what it should be, which right figures reach only with a chosen, small probability."""

from __future__ import annotations

import torch
from torch import Tensor

_PART = 0.75
"""Share of the wealth that one bet may cost: less grows more slowly, more risks ruin by one value."""


def log_evidence(value_RM: Tensor, mean_M: Tensor, high_M: Tensor) -> Tensor:
    """Log of the evidence against "the mean of R independent values is m", for each of M columns: (M,) ≥ 0.

    A player bets on each value, before it is known, that it lies on the side of m on which those before it lay. If m
    is the mean, the wealth is a martingale that starts at 1, so it reaches 1/α with probability at most α (Ville),
    for every R and every distribution; the result is the log of the largest wealth. If the mean is m + Δ and the
    variance V, it grows by about Δ² / (2 V) a value: as strong as a normal approximation, without one.

    Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, J. R. Stat. Soc. B 86
    (2024) 1, the bets of its section B.3 ("approximate GRAPA"), with second moments about m.

    Args:
        value_RM: values in [0, high].
        mean_M: m of each column, above 0.
        high_M: what no value exceeds.
    """
    value_RM, mean_M, high_M = value_RM.double(), mean_M.double(), high_M.double()
    off_RM = value_RM - mean_M
    before_RM = off_RM.cumsum(0) - off_RM
    square_RM = off_RM.square().cumsum(0) - off_RM.square()
    bet_RM = before_RM / (square_RM + mean_M.square())
    room_M = (high_M - mean_M).clamp_min(1e-3 * mean_M)
    bet_RM = torch.minimum(torch.maximum(bet_RM, -_PART / room_M), _PART / mean_M)
    return (bet_RM * off_RM).log1p().cumsum(0).amax(0).clamp_min(0)
