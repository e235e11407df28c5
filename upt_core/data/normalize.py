"""Scaling of fields and conditions to mean 0 and deviation 1, by statistics of the training split, and back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from upt_core.specs import DataSpec

FLOAT32 = torch.finfo(torch.float32).eps
ROUNDING = 8 * FLOAT32
"""A constant channel may differ from its mean by this part of it: such differences become 0, whatever the unit."""
NEAR = 8.0
"""Float32 values whose mean is at most so many deviations from 0 are centred in float32: the error is 5e-7 of one."""
PART = 4096
FEW = 16
"""A channel of few distinct values within one rounding of float32 holds nothing but that rounding."""
TIME_STEP = "time_step"
"""The condition that upt adds: the physical time between two steps."""


class Normalization(nn.Module):
    """Means and deviations of the channels of ``DataSpec.fields`` and of the conditions, as buffers.

    Kept in float64, and applied in float64 before values become float32, except where the mean is near (``NEAR``): a
    small wave on a large mean keeps its digits.

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
        self.register_buffer("mean_C", mean_C.double())
        self.register_buffer("std_C", std_C.double())
        self.register_buffer("condition_mean_P", condition_mean_P.double())
        self.register_buffer("condition_std_P", condition_std_P.double())

    @classmethod
    def identity(cls, data: DataSpec) -> Normalization:
        """No scaling."""
        channels, conditions = data.channels, len(data.condition)
        return cls(data, torch.zeros(channels), torch.ones(channels), torch.zeros(conditions), torch.ones(conditions))

    def on(self, device: torch.device | str) -> Normalization:
        """A copy on a device; ``to`` would move this one, which others use where it is."""
        copied = copy.deepcopy(self)
        return (copied.float() if torch.device(device).type == "mps" else copied).to(device)  # MPS has no float64

    def inputs(self, value: Tensor) -> Tensor:
        """The encoder's input (..., C) in physical units, scaled: float32."""
        return _scaled(value, *self.of_inputs())

    def frames(self, value: Tensor) -> Tensor:
        """The input fields (..., C) of single time steps in physical units, scaled: float32."""
        return _scaled(value, *self.of_frames())

    def targets(self, value: Tensor) -> Tensor:
        """Target channels (..., C) in physical units, scaled: float32."""
        return _scaled(value, *self.of_targets())

    def given(self, value: Tensor) -> Tensor:
        """Channels (..., C) of the given fields in physical units, scaled: float32."""
        return _scaled(value, *self.of_given())

    def condition(self, value_P: Tensor) -> Tensor:
        """Conditioning values (..., P), scaled: float32."""
        return _scaled(value_P, self.condition_mean_P, self.condition_std_P)

    def of_inputs(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the encoder's input channels, once for each frame of history."""
        return self._of_inputs(self.mean_C), self._of_inputs(self.std_C)

    def of_frames(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the input channels."""
        return self.data.inputs_of(self.mean_C), self.data.inputs_of(self.std_C)

    def of_targets(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the target channels."""
        return self.data.targets_of(self.mean_C), self.data.targets_of(self.std_C)

    def of_given(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the channels of the given fields."""
        channels = [self.data.channels_of(field.name) for field in self.data.given]
        mean_C, std_C = (torch.cat([value_C[part] for part in channels]) for value_C in (self.mean_C, self.std_C))
        return mean_C, std_C

    def to_physical(self, target: Tensor) -> Tensor:
        """Target channels (..., C) back in physical units: float64, so that a large mean swallows no digits."""
        return target * self.data.targets_of(self.std_C) + self.data.targets_of(self.mean_C)

    def inputs_to_physical(self, value: Tensor) -> Tensor:
        """The encoder's input (..., C) back in physical units: float64."""
        return value * self._of_inputs(self.std_C) + self._of_inputs(self.mean_C)

    def _of_inputs(self, value_C: Tensor) -> Tensor:
        """Values of the input channels, once for each frame of history."""
        return self.data.inputs_of(value_C).repeat(self.data.history)

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


def _scaled(value: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    if torch.compiler.is_exporting():  # then values cannot be looked at, so nothing is spared
        constant = std == 1
        shifted = value - mean
        return shifted.where(~constant | (shifted.abs() > ROUNDING * mean.abs()), 0).div_(std).float()
    return Scale(mean, std)(value)


class Scale:
    """The scaling of some channels, for values of which many come: what is asked of the statistics is asked once.

    Args:
        mean: of each channel, float64.
        std: deviation of each channel.
    """

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        self._mean, self._std = mean, std
        constant = std == 1  # only shifted; no deviation that was measured is exactly 1 in float64
        self._varies = ~constant if bool(constant.any()) else None
        self._single = (mean.float(), std.float()) if bool((mean.abs() <= NEAR * std).all()) else None

    def __call__(self, value: Tensor) -> Tensor:
        """Values (..., C) in physical units, scaled: float32."""
        mean, std = self._mean, self._std
        if self._single is not None and value.dtype == torch.float32:
            mean, std = self._single  # a quarter of the time, and no digit that float32 has is lost
        shifted = value - mean
        if self._varies is not None:
            shifted = shifted.where(self._varies | (shifted.abs() > ROUNDING * mean.abs()), 0)
        return shifted.div_(std).float()  # a second array of float64 would cost more than the division


class Scales:
    """The scalings of a normalization that does not change any more."""

    def __init__(self, normalization: Normalization) -> None:
        of = normalization
        self.inputs = Scale(*of.of_inputs())
        self.frames = Scale(*of.of_frames())
        self.targets = Scale(*of.of_targets())
        self.condition = Scale(of.condition_mean_P, of.condition_std_P)
        self.given = Scale(*of.of_given()) if of.data.given else None


def condition_rows(
    condition: Mapping[str, float | Tensor], time_T: Tensor, names: tuple[str, ...], steady: bool = False
) -> Tensor:
    """Conditioning values of each step t → t + 1 of a trajectory, float64: (T - 1, P), or (1, P) without time."""
    rows = 1 if steady else len(time_T) - 1
    columns = [time_T.double().diff() if name == TIME_STEP else _of_each_step(condition[name], rows) for name in names]
    return torch.stack(columns, dim=-1)


def _of_each_step(value: float | Tensor, rows: int) -> Tensor:
    value_T = torch.as_tensor(value, dtype=torch.float64)
    return value_T.expand(rows) if value_T.dim() == 0 else value_T[:rows]


class RunningMoments:
    """Mean and deviation of channels over any number of values, in float64 (Chan, Golub, LeVeque 1979).

    A channel is constant where it deviates by no more than its own rounding: the precision of its values times the
    largest of them. Values kept in float64 may have been rounded to float32 before: then there are few distinct ones.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(0, dtype=torch.float64)
        self.square = torch.zeros(0, dtype=torch.float64)
        self.largest = torch.zeros(0, dtype=torch.float64)
        self.precision = 0.0
        self._distinct: list[Tensor | None] = []

    def plain(self) -> dict[str, Any]:
        """As tensors and plain data."""
        return dict(vars(self))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> RunningMoments:
        """What ``plain`` gave."""
        moments = cls()
        vars(moments).update(plain)
        return moments

    def add(self, value_MC: Tensor) -> None:
        """Adds M values of C channels."""
        value = value_MC.double()  # float32 sums lose digits over millions of values, most where the mean is large
        count, mean = len(value), value.mean(0)
        square, largest = (value - mean).square().sum(0), value.abs().amax(0)
        self.precision = max(self.precision, torch.finfo(value_MC.dtype).eps)
        self._distinct = self._distinct or [value.new_zeros(0)] * value.shape[1]
        self._distinct = [_distinct(known, own) for known, own in zip(self._distinct, value.T, strict=True)]
        if self.count == 0:
            self.count, self.mean, self.square, self.largest = count, mean, square, largest
            return
        delta, total = mean - self.mean, self.count + count
        self.square = self.square + square + delta.square() * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.largest = torch.maximum(self.largest, largest)
        self.count = total

    def deviation(self) -> Tensor:
        """Standard deviation of each channel, as it is."""
        return (self.square / max(1, self.count)).sqrt()

    def std(self) -> Tensor:
        """Standard deviation; 1 where a channel is constant."""
        return torch.where(self.constant(), 1.0, self.deviation())

    def constant(self) -> Tensor:
        """Whether each channel deviates by no more than its own rounding."""
        deviation, few = self.deviation(), torch.tensor([d is not None for d in self._distinct], dtype=torch.bool)
        rounding = torch.where(few, max(self.precision, FLOAT32), self.precision)
        return deviation <= rounding * self.largest

    def roundings(self) -> Tensor:
        """How many roundings of the values' own precision one deviation is; infinite for a channel of zeros."""
        return self.deviation() / (self.precision * self.largest)


def _distinct(known: Tensor | None, value_M: Tensor) -> Tensor | None:
    """The distinct values so far, sorted; None where they are more than ``FEW``."""
    for start in range(0, len(value_M), PART):  # most channels show many in the first part
        if known is None:
            return None
        found: Tensor = torch.unique(torch.cat([known, value_M[start : start + PART]]))
        known = found if len(found) <= FEW else None
    return known
