"""A data set of which a model takes and predicts several time steps at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import (
    DataError,
    Dataset,
    DataSpec,
    FieldSpec,
    Split,
    StackedWindows,
    Trajectories,
    Trajectory,
    read_many,
)


class Bundled(Dataset):
    """Temporal bundling (Brandstetter et al., arXiv:2202.03376): K time steps in, the next K out, in one call.

    In training the K steps of a field are its channels, oldest first, for encoder, decoder, loss terms and their time
    steps (``rollout``, ``validation.rollout`` and ``history`` count calls). Metrics, plots and predictions have
    single time steps. A rollout of T steps takes T / K calls, so errors accumulate less often, but each call is harder
    to learn: with the recipe of the benchmark, K = 2 and 4 were less accurate than single steps at equal training time.
    Training starts at every time step; validation and test at every K-th.

    Traps: trajectories need 2 K time steps. A training split is read K times for its statistics. A parameter that
    changes in time has no single value in a call, so it is refused; a forcing can be a field.

    Args:
        base: the data set.
        steps: K, time steps of one call. Good: 2 to 25, fewer than the correlation time of the flow.
    """

    def __init__(self, base: Dataset, steps: Annotated[int, Field(ge=2)] = 2) -> None:
        self.base = base
        self.steps = steps

    def spec(self) -> DataSpec:
        """That of the base, with K times the channels for each field that moves.

        Raises:
            DataError: the base has no time.
        """
        spec = self.base.spec()
        if spec.steady:
            raise DataError("bundled: the base is a steady problem without time steps; use the base without bundled")
        if spec.bundle > 1:
            raise DataError("bundled: the base is already bundled; multiply its steps instead")
        moving = self._moving(spec)
        return replace(
            spec,
            inputs=tuple(_stacked(field, self.steps, moving) for field in spec.inputs),
            targets=tuple(_stacked(field, self.steps, moving) for field in spec.targets),
            bundle=self.steps,
        )

    def trajectories(self, split: Split) -> Trajectories:
        """The base's, in calls; those of training once for each time step at which calls may begin."""
        return self._bundles(self.base.trajectories(split), self.steps if split == "train" else 1)

    def everything(self) -> Trajectories:
        """The base's, each once."""
        return self._bundles(self.base.everything(), 1)

    def files(self) -> Sequence[Path]:
        """Those of the base."""
        return self.base.files()

    def remarks(self) -> list[str]:
        """Those of the base, and what a call is."""
        return [*self.base.remarks(), f"one call takes and predicts {self.steps} time steps; rollouts count calls"]

    def _bundles(self, base: Trajectories, starts: int) -> _Bundles:
        spec = self.base.spec()
        return _Bundles(base, self.steps, starts, self._moving(spec))

    def _moving(self, spec: DataSpec) -> frozenset[str]:
        """Names of the fields that change in time: all targets, and inputs that do so in the first trajectory."""
        first = self.base.trajectories("train").read(0, 0, 2)
        given = {field.name for field in spec.given if len(first.fields[field.name]) > 1}
        return frozenset({field.name for field in spec.targets} | given)


class _Bundles:
    """Trajectories whose steps are calls.

    Args:
        base: those of single time steps.
        steps: K, of a call.
        starts: a trajectory is there once for each of so many first time steps.
        moving: names of the fields that change in time.
    """

    def __init__(self, base: Trajectories, steps: int, starts: int, moving: frozenset[str]) -> None:
        self.base = base
        self.steps = steps
        self.moving = moving
        self._places = []
        for index in range(len(base)):
            found = [(index, start) for start in range(starts) if base.num_times(index) - start >= 2 * steps]
            if not found:
                raise DataError(
                    f"bundled: trajectory {index} has {base.num_times(index)} time steps; {steps} in and {steps} out "
                    f"need {2 * steps}; set a smaller 'steps', or leave this trajectory out"
                )
            self._places += found

    def __len__(self) -> int:
        return len(self._places)

    @property
    def held(self) -> bool:
        """Whether those of the base are in memory."""
        return bool(getattr(self.base, "held", False))

    def grid_shape(self, index: int) -> tuple[int, ...] | None:
        """That of the base."""
        own = getattr(self.base, "grid_shape", None)
        return None if own is None else own(self._places[index][0])

    def place(self, index: int) -> str:
        """Where a trajectory is from."""
        number, first = self._places[index]
        own = getattr(self.base, "place", None)
        name = f"trajectory {number}" if own is None else str(own(number))
        return name + (f" from time step {first}" if first else "")

    def num_times(self, index: int) -> int:
        """Number of whole bundles."""
        number, first = self._places[index]
        return (self.base.num_times(number) - first) // self.steps

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Bundles start ≤ k < stop; the time of one is that of its last step.

        Raises:
            DataError: a condition changes in time.
        """
        number, first = self._places[index]
        read = self.base.read(number, first + start * self.steps, first + stop * self.steps)
        changing = [name for name, value in read.condition.items() if not isinstance(value, int | float)]
        if changing:
            raise DataError(
                f"bundled: the condition {changing[0]!r} changes in time, but a call of {self.steps} steps takes one "
                "value; leave it out of 'conditions', or train without 'bundled'"
            )
        targets = read.targets
        if targets is not None:
            targets = replace(targets, fields=self._in_calls(targets.fields, stop - start))
        time_T = read.time_T[self.steps - 1 :: self.steps]
        return replace(read, fields=self._in_calls(read.fields, stop - start), time_T=time_T, targets=targets)

    def read_many(self, windows: Sequence[tuple[int, int, int]]) -> StackedWindows | None:
        """Several windows at once; None where the base cannot, or a condition changes in time."""
        places = [(*self._places[index], start, stop) for index, start, stop in windows]
        asked = [(n, first + start * self.steps, first + stop * self.steps) for n, first, start, stop in places]
        read = read_many(self.base, asked)
        if read is None or any(value.dim() > 1 for value in read.condition.values()):
            return None
        bundles = windows[0][2] - windows[0][1]
        fields = {
            name: torch.stack([self._as_channels(row, bundles) for row in value]) if name in self.moving else value
            for name, value in read.fields.items()
        }
        return replace(read, fields=fields, time_BT=read.time_BT[:, self.steps - 1 :: self.steps])

    def _in_calls(self, fields: Mapping[str, Tensor], bundles: int) -> dict[str, Tensor]:
        return {
            name: self._as_channels(value, bundles) if name in self.moving else value for name, value in fields.items()
        }

    def _as_channels(self, value_TNC: Tensor, bundles: int) -> Tensor:
        """(bundles · K, N, C) → (bundles, N, K · C); a field that stands still is repeated."""
        value_TNC = value_TNC.expand(bundles * self.steps, -1, -1)
        value_BKNC = value_TNC.reshape(bundles, self.steps, *value_TNC.shape[1:])
        return torch.movedim(value_BKNC, 1, 2).flatten(2)


def _stacked(field: FieldSpec, steps: int, moving: frozenset[str]) -> FieldSpec:
    return replace(field, channels=field.channels * steps) if field.name in moving else field
