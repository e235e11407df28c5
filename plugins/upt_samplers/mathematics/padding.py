"""What every sampler does with rows that are padded: short rows take all of their points."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core import Points


def complete(points: Points, choice_BQ: Tensor, weight_BQ: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """A draw among each row's real points (or positions on a curve through them), made right in short rows.

    A row with n real points, n ≤ Q, takes all of them once with weight Q/n; its other slots have weight 0. Longer
    rows keep their draw and weights, so that the weighted mean over the Q slots is unbiased in every row.
    """
    count = choice_BQ.shape[1]
    if points.lengths is None or points.length_B1 is None or min(points.lengths) > count:
        return choice_BQ, weight_BQ
    length_B1 = points.length_B1
    slot_Q = torch.arange(count, device=choice_BQ.device)
    short_B1 = length_B1 <= count
    all_BQ = torch.where(slot_Q < length_B1, count / length_B1, 0.0)
    drawn: Tensor | float = 1.0 if weight_BQ is None else weight_BQ
    choice_BQ = torch.where(short_B1, torch.minimum(slot_Q, length_B1 - 1), choice_BQ)
    return choice_BQ, torch.where(short_B1, all_BQ, drawn).float()
