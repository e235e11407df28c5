"""Gradients that are looked at, not followed: their mean over the rows of all processes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from upt_core.processes import Processes

Mean = Callable[[list[Tensor]], list[Tensor]]
"""Gradients on this process's rows of a batch → those on all rows, which every process gets."""


def own_rows(gradients: list[Tensor]) -> list[Tensor]:
    """The mean where there is one process, or its rows alone count."""
    return gradients


def mean_of_all(processes: Processes, share: float) -> Mean:
    """The mean over the rows of all processes, of which this one has a share. All ask for it in the same order."""
    if not processes.several:
        return own_rows

    def mean(gradients: list[Tensor]) -> list[Tensor]:
        whole = processes.sum_of(torch.cat([gradient.reshape(-1) * share for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        return [part.view_as(gradient) for part, gradient in zip(torch.split(whole, sizes), gradients, strict=True)]

    return mean
