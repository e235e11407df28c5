"""A batch: what the loader hands to the model and to every loss term.

Letters of tensor shapes, used everywhere; a tensor's name ends in its shape (``latent_BLD``):

    B  samples of a batch      T  time steps          N  points of a sample     S  supernodes
    L  latent tokens           Q  query points        C  channels               X  coordinate axes
    D  width                   H  attention heads     P  conditioning values
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from upt_core.points import Points


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples, normalised: the input fields, the T following target fields, their points.

    Args:
        input_BNC: input fields at the first time step.
        target_BTNC: target fields at the T time steps that follow (steady problems: the solution, T = 1).
        points: the points, the same for all time steps.
        condition_BP: time step and parameters, normalised; None where the data set declares none.
        reference_BNC: target fields at t = 0 of each sample's trajectory; None for steady problems.
        latent_BTLD: latents of the input and of the T targets where they are cached (the encoder is frozen then).
        task: name of the task that the samples belong to; empty where there is one.
    """

    input_BNC: Tensor
    target_BTNC: Tensor
    points: Points
    condition_BP: Tensor | None = None
    reference_BNC: Tensor | None = None
    latent_BTLD: Tensor | None = None
    task: str = ""

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; from pinned memory the copies do not wait for the device."""
        return self._mapped(lambda value: value.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory; the data loader calls this."""
        return self._mapped(lambda value: value.pin_memory())

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(
            change(self.input_BNC),
            change(self.target_BTNC),
            self.points.mapped(change),
            None if self.condition_BP is None else change(self.condition_BP),
            None if self.reference_BNC is None else change(self.reference_BNC),
            None if self.latent_BTLD is None else change(self.latent_BTLD),
            self.task,
        )
