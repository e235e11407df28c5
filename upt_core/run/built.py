"""What an experiment builds, and what it results in."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from upt_core.data.loader import Batches
from upt_core.data.prepared import PreparedData
from upt_core.data.task_batches import TaskBatches
from upt_core.loss_bundle import LossBundle
from upt_core.run.start import Start
from upt_core.task_bundle import TaskBundle

Results = dict[str, dict[str, float]]
"""Name of a predictor ("model", or a baseline) → metric → value."""


@dataclass(frozen=True)
class Built:
    """The objects of an experiment with one data set, of a stage of it, or of one task.

    Args:
        prepared: the data set with its statistics.
        bundle: model and loss terms, on the device.
        train: batches of the training split.
        valid: batches of the validation split.
        device: where model and batches are.
        start: what the model took from another operator; None: nothing, or it is not new.
    """

    prepared: PreparedData
    bundle: LossBundle
    train: Batches
    valid: Batches
    device: torch.device
    start: Start | None = None

    @property
    def parts(self) -> dict[str, Built]:
        """This as the only task."""
        return {"": self}

    def check_files(self) -> None:
        """Looks whether the data are those that the run began with; see ``PreparedData.check_files``."""
        self.prepared.check_files()


@dataclass(frozen=True)
class BuiltTasks:
    """The objects of an experiment with several tasks, or of a stage of it.

    Args:
        parts: each task's own objects; the models share their approximator.
        bundle: the loss bundles of all tasks.
        train: batches of all tasks in turn.
        device: where model and batches are.
    """

    parts: dict[str, Built]
    bundle: TaskBundle
    train: TaskBatches
    device: torch.device

    def check_files(self) -> None:
        """Looks whether the data of every task are those that the run began with."""
        for part in self.parts.values():
            part.check_files()
