"""Scaling of fields and conditions to mean 0 and deviation 1, by statistics of the training split, and back."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from upt_core.specs import DataSpec

SMALL = 1e-12


class Normalization(nn.Module):
    """Means and deviations of the channels of ``DataSpec.fields`` and of the conditions, as buffers.

    Args:
        data: what is known of the data set.
        mean_C: mean of each channel over the training split.
        std_C: standard deviation of each channel; a constant channel has 1.
        condition_mean_P: mean of each conditioning value.
        condition_std_P: standard deviation of each conditioning value.
    """

    mean_C: Tensor
    std_C: Tensor
    condition_mean_P: Tensor
    condition_std_P: Tensor

    def __init__(
        self, data: DataSpec, mean_C: Tensor, std_C: Tensor, condition_mean_P: Tensor, condition_std_P: Tensor
    ) -> None:
        super().__init__()
        self.data = data
        self.register_buffer("mean_C", mean_C.float())
        self.register_buffer("std_C", std_C.float())
        self.register_buffer("condition_mean_P", condition_mean_P.float())
        self.register_buffer("condition_std_P", condition_std_P.float())

    @classmethod
    def identity(cls, data: DataSpec) -> Normalization:
        """No scaling."""
        channels, conditions = data.channels, len(data.condition)
        return cls(data, torch.zeros(channels), torch.ones(channels), torch.zeros(conditions), torch.ones(conditions))

    def on(self, device: torch.device | str) -> Normalization:
        """A copy on a device; ``to`` would move this one, which others use where it is."""
        return copy.deepcopy(self).to(device)

    def field(self, name: str, value: Tensor) -> Tensor:
        """A field (..., C) in physical units, scaled."""
        channels = self.data.channels_of(name)
        return (value - self.mean_C[channels]) / self.std_C[channels]

    def condition(self, value_P: Tensor) -> Tensor:
        """Conditioning values, scaled."""
        return (value_P - self.condition_mean_P) / self.condition_std_P

    def to_physical(self, target: Tensor) -> Tensor:
        """Target channels (..., C) back in physical units."""
        return target * self.data.targets_of(self.std_C) + self.data.targets_of(self.mean_C)

    def inputs_to_physical(self, value: Tensor) -> Tensor:
        """Input channels (..., C) back in physical units."""
        return value * self.data.inputs_of(self.std_C) + self.data.inputs_of(self.mean_C)

    def plain(self) -> dict[str, Any]:
        """As plain data, for a JSON file beside the run."""
        names = [f"{field.name}[{i}]" for field in self.data.fields for i in range(field.channels)]
        return {
            "fields": {
                n: {"mean": m, "std": s}
                for n, m, s in zip(names, self.mean_C.tolist(), self.std_C.tolist(), strict=True)
            },
            "condition": {
                n: {"mean": m, "std": s}
                for n, m, s in zip(
                    self.data.condition, self.condition_mean_P.tolist(), self.condition_std_P.tolist(), strict=True
                )
            },
        }


class RunningMoments:
    """Mean and deviation of channels over any number of values, in float64 (Chan, Golub, LeVeque 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(0, dtype=torch.float64)
        self.square = torch.zeros(0, dtype=torch.float64)

    def add(self, value_MC: Tensor) -> None:
        """Adds M values of C channels."""
        value = value_MC.double()
        count, mean = len(value), value.mean(0)
        square = (value - mean).square().sum(0)
        if self.count == 0:
            self.count, self.mean, self.square = count, mean, square
            return
        delta, total = mean - self.mean, self.count + count
        self.square = self.square + square + delta.square() * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.count = total

    def std(self) -> Tensor:
        """Standard deviation; 1 where a channel does not vary."""
        std = (self.square / max(1, self.count)).sqrt()
        return torch.where(std > SMALL * (1 + self.mean.abs()), std, 1.0)


TIME_STEP = "time_step"
"""The condition that upt adds: the physical time between two steps."""


def condition_rows(condition: dict[str, float], time_T: Tensor, names: tuple[str, ...]) -> Tensor:
    """Conditioning values of each step of a trajectory, (T - 1 or 1, P)."""
    steps = time_T.diff() if len(time_T) > 1 else torch.zeros(1)
    columns = [steps if name == TIME_STEP else torch.full_like(steps, condition[name]) for name in names]
    return torch.stack(columns, dim=-1)
