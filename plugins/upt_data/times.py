"""The times of the steps that are kept."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core import DataError
from upt_data.checks import Array
from upt_data.memory import STEADY_TIME_T


def strided_times(times: Array | None, stride: int, where: str) -> Tensor:
    """Every ``stride``-th time, (T,) float64; a single 0 where there is no time.

    Raises:
        DataError: fewer than two are left, so that nothing could be predicted.
    """
    if times is None:
        return STEADY_TIME_T
    kept = times[::stride]
    if len(kept) < 2:
        raise DataError(
            f"{where}: time_stride {stride} leaves fewer than 2 of {len(times)} time steps; choose a smaller one, or a "
            f"file with more"
        )
    return torch.from_numpy(kept.copy())
