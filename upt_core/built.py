"""What an experiment builds, and what it results in."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from upt_core.loader import Batches
from upt_core.loss_bundle import LossBundle
from upt_core.prepared import PreparedData

Results = dict[str, dict[str, float]]
"""Name of a predictor ("model", or a baseline) → metric → value."""


@dataclass(frozen=True)
class Built:
    """The objects of an experiment, or of a stage of it.

    Args:
        prepared: the data set with its statistics.
        bundle: model and loss terms, on the device.
        train: batches of the training split.
        valid: batches of the validation split.
        device: where model and batches are.
    """

    prepared: PreparedData
    bundle: LossBundle
    train: Batches
    valid: Batches
    device: torch.device
