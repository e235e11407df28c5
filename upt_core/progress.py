"""How far training has come: what schedules and draws of query points depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far training has come.

    Args:
        epoch: number of the epoch, from 0.
        num_epochs: how many epochs the run has.
        step: number of batches seen since the start of the run; a draw of query points depends on it.
        position: epoch plus the fraction of it that is done, for schedules that change within an epoch.
        rank: number of this process among those that train together.
    """

    epoch: int = 0
    num_epochs: int = 1
    step: int = 0
    position: float = 0.0
    rank: int = 0
