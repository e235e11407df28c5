"""A batch: what the loader hands to the model and to every loss term.

Letters of tensor shapes, used everywhere; a tensor's name ends in its shape (``latent_BLD``):

    B  samples of a batch      T  time steps          N  points of a sample     S  supernodes
    L  latent tokens           Q  query points        C  channels               X  coordinate axes
    D  width                   H  attention heads     P  conditioning values
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from upt_core.points import Points


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples, normalised: the input fields, the T following target fields, their points.

    Args:
        input_BNC: input fields at the first time step; with ``DataSpec.history`` those of the last frames, oldest
            first, along the channels.
        target_BTNC: target fields at the T time steps that follow (steady problems: the solution, T = 1).
        points: the points of the targets, the same for all time steps; the inputs are there too, unless they are apart.
        condition_BTP: time step and parameters of each step t → t + 1, normalised; None where the data set declares
            none.
        reference_BNC: target fields at t = 0 of each sample's trajectory; None for steady problems, and where no
            loss term asks for them.
        latent_BTLD: latents of the input and of the T targets where they are cached (the encoder is frozen then).
        given_BTNC: the fields that are inputs but not targets, at the T target steps; None where there are none, or
            where they do not change in time.
        task: name of the task that the samples belong to; empty where there is one.
        own_input_points: the points of input_BNC and given_BTNC, where they are not those of the targets.
        later_BTNC: the input fields at the T target steps, at the input points, where these are not the targets' and
            there is time.

    Raises:
        ValueError: inputs or targets have other axes, or different numbers of samples.
    """

    input_BNC: Tensor
    target_BTNC: Tensor
    points: Points
    condition_BTP: Tensor | None = None
    reference_BNC: Tensor | None = None
    latent_BTLD: Tensor | None = None
    given_BTNC: Tensor | None = None
    task: str = ""
    own_input_points: Points | None = None
    later_BTNC: Tensor | None = None

    def __post_init__(self) -> None:
        # With other axes the operations that follow may broadcast, and give a number that is wrong.
        found = tuple(self.input_BNC.shape), tuple(self.target_BTNC.shape)
        if (len(found[0]), len(found[1])) != (3, 4) or found[0][0] != found[1][0]:
            raise ValueError(
                f"a batch has inputs of shape {found[0]} and targets of shape {found[1]}; expected (samples, points, "
                f"channels) and (samples, times, points, channels); target.unsqueeze(1) makes one time step"
            )

    @property
    def input_points(self) -> Points:
        """The points of the inputs, which the encoder reads."""
        return self.points if self.own_input_points is None else self.own_input_points

    def condition_at(self, time: int) -> Tensor | None:
        """condition_BP of the step from ``time`` (0: the input) to the next; None where there are no conditions.

        Raises:
            ValueError: the batch does not reach so far.
        """
        return None if self.condition_BTP is None else _row(self.condition_BTP, time, "conditions")

    def given_at(self, time: int) -> Tensor | None:
        """The given fields (B, N, C) at a time step ≥ 1; None where they do not change in time.

        Raises:
            ValueError: the batch does not reach so far.
        """
        return None if self.given_BTNC is None else _row(self.given_BTNC, time - 1, "given fields")

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; from pinned memory the copies do not wait for the device."""
        return self._mapped(lambda value: value.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory; the data loader calls this."""
        return self._mapped(lambda value: value.pin_memory())

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        changed: dict[str, Any] = {name: change(value) for name, value in tensors.items()}
        own = None if self.own_input_points is None else self.own_input_points.mapped(change)
        return replace(self, points=self.points.mapped(change), own_input_points=own, **changed)


def _row(value_BT: Tensor, time: int, what: str) -> Tensor:
    if time >= value_BT.shape[1]:
        raise ValueError(
            f"a rollout needs step {time + 1}, but the batch has {what} for only {value_BT.shape[1]} steps; give as "
            "many as there are steps, or ask for fewer"
        )
    return value_BT[:, time]
