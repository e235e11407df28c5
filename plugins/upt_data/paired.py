"""Two data sets as one: the inputs of the first, the targets of the second, each at points of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, FieldSpec, Split, TargetPoints, Trajectories, Trajectory
from upt_data.files.dataset import FileDataset

SAME = 1e-6
"""Times, lengths and conditions that differ by less than this fraction are equal."""


class Paired(Dataset):
    """Input and target at different points: from sensors to a field, or from cell centres to nodes.

    Trajectory i of a split of ``inputs`` and trajectory i of the same split of ``targets`` are one simulation, with the
    same times. The encoder reads the input fields of ``inputs`` at their points; losses, metrics and plots are at
    the points of ``targets``. Any two data sets can be combined, whatever their formats: the targets of ``inputs`` and
    the inputs of ``targets`` are ignored. A field with the same name in both is one field with one scale.

    ``inverse_encoding`` and ``inverse_decoding`` decode at the points of the inputs, because the encoded state is known
    there, with separate query points. Rollouts in physical space also decode there, because they encode again.

    Traps: both data sets make their own splits, so ``seed``, fractions and ``split_by`` must be equal (data sets in
    files that differ are refused). A rollout in physical space needs inputs that are predicted, under the same name.
    There is no persistence baseline, because the input has no values at the points of the targets.

    Args:
        inputs: the data set that the encoder reads.
        targets: the data set of the targets; on one grid, or scattered.
    """

    def __init__(self, inputs: Dataset, targets: Dataset) -> None:
        self.inputs = inputs
        self.targets = targets

    def spec(self) -> DataSpec:
        """Inputs, grid, history and conditions of the one, targets and their grid of the other, in the box of both.

        Raises:
            DataError: the two do not go together; the message says in what.
        """
        reads, predicts = self.inputs.spec(), self.targets.spec()
        self._check(reads, predicts)
        low, extent = _box((self.inputs, reads), (self.targets, predicts))
        return replace(
            reads,
            targets=predicts.targets,
            extent=extent,
            origin=low,
            condition=tuple(dict.fromkeys([*reads.condition, *predicts.condition])),
            targets_apart=True,
            target_grid=predicts.grid_shape,
        )

    def trajectories(self, split: Split) -> Trajectories:
        """Those of both, in pairs."""
        return self._pairs(self.inputs.trajectories(split), self.targets.trajectories(split), f"the split {split!r}")

    def everything(self) -> Trajectories:
        """All of both, in pairs."""
        return self._pairs(self.inputs.everything(), self.targets.everything(), "the data set")

    def files(self) -> Sequence[Path]:
        """Those of both."""
        return list(dict.fromkeys([*self.inputs.files(), *self.targets.files()]))

    def remarks(self) -> list[str]:
        """Those of both, and what was left out."""
        unread = [field.name for field in self.targets.spec().inputs if field not in self.spec().fields]
        left = [f"paired: {', '.join(unread)} of the targets' data set is not read"] if unread else []
        return [*dict.fromkeys([*self.inputs.remarks(), *self.targets.remarks()]), *left]

    def _pairs(self, inputs: Trajectories, targets: Trajectories, where: str) -> _Pairs:
        reads, predicts = self.inputs.spec(), self.targets.spec()
        self._check(reads, predicts)
        if len(inputs) != len(targets):
            raise DataError(
                f"paired: {where} has {len(inputs)} trajectories of inputs and {len(targets)} of targets; expected "
                "equal numbers, in the same order"
            )
        names = [field.name for field in reads.inputs], [field.name for field in predicts.targets]
        return _Pairs(inputs, targets, *names, predicts.grid_shape)

    def _check(self, reads: DataSpec, predicts: DataSpec) -> None:
        for what in ("num_axes", "periodic", "steady"):
            one, other = getattr(reads, what), getattr(predicts, what)
            if one != other:
                raise DataError(f"paired: the inputs have {what} {one}, the targets {other}; expected the same")
        if any(spec.bundle > 1 or spec.targets_apart for spec in (reads, predicts)):
            raise DataError("paired: takes data sets that are neither bundled nor paired; put bundled around paired")
        if predicts.history > 1:
            raise DataError(
                "paired: history belongs to the data that the encoder reads; set it in inputs, not in targets"
            )
        for field in reads.inputs:
            _check_alike(field, predicts.targets)
        dealt = [one.dealing for one in (self.inputs, self.targets) if isinstance(one, FileDataset)]
        if len(dealt) == 2 and dealt[0] != dealt[1]:
            other = ", ".join(f"{n} {a!r} and {b!r}" for (n, a), (_, b) in zip(*dealt, strict=True) if a != b)
            raise DataError(f"paired: inputs and targets are split differently: {other}; give both the same")


def _check_alike(field: FieldSpec, targets: Sequence[FieldSpec]) -> None:
    for other in targets:
        if other.name == field.name and other.channels != field.channels:
            raise DataError(
                f"paired: {field.name!r} has {field.channels} channels in the inputs and {other.channels} in the "
                f"targets; expected equal numbers, or different names"
            )


class _Pairs:
    """Trajectories of inputs and of targets, in pairs.

    Args:
        names: of the input fields, and of the target fields.
        target_grid: the one grid of the targets; None: scattered points.
    """

    def __init__(
        self,
        inputs: Trajectories,
        targets: Trajectories,
        input_names: Sequence[str],
        target_names: Sequence[str],
        target_grid: tuple[int, ...] | None,
    ) -> None:
        self.inputs, self.targets = inputs, targets
        self.input_names, self.target_names = input_names, target_names
        self.target_grid = target_grid
        for index in range(len(inputs)):
            found = inputs.num_times(index), targets.num_times(index)
            if found[0] != found[1]:
                raise DataError(
                    f"paired: {self.place(index)} has {found[0]} time steps of inputs and {found[1]} of targets; "
                    f"expected the same times"
                )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def held(self) -> bool:
        """Whether both are in memory."""
        return all(bool(getattr(one, "held", False)) for one in (self.inputs, self.targets))

    def grid_shape(self, index: int) -> tuple[int, ...] | None:
        """That of the inputs."""
        own = getattr(self.inputs, "grid_shape", None)
        return None if own is None else own(index)

    def num_times(self, index: int) -> int:
        """Number of time steps, of both."""
        return self.inputs.num_times(index)

    def place(self, index: int) -> str:
        """Where inputs and targets are from."""
        names = [one.place(index) for one in (self.inputs, self.targets) if hasattr(one, "place")]
        return " and ".join(dict.fromkeys(names)) or f"trajectory {index}"

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of both.

        Raises:
            DataError: times or conditions differ, or the targets are on another grid than the first.
        """
        one, other = self.inputs.read(index, start, stop), self.targets.read(index, start, stop)
        self._check_times(one.time_T, other.time_T, index)
        if other.grid_shape not in (None, self.target_grid):
            raise DataError(
                f"paired: {self.place(index)} has targets on a grid of {other.grid_shape}, the first on "
                f"{self.target_grid}; give targets on one grid, or as points"
            )
        for name in one.condition.keys() & other.condition.keys():
            if not _close(torch.as_tensor(one.condition[name]), torch.as_tensor(other.condition[name])):
                raise DataError(
                    f"paired: {self.place(index)}: the condition {name!r} of the inputs differs from that of the "
                    "targets; put the trajectories of both in the same order"
                )
        return replace(
            one,
            fields={name: one.fields[name] for name in self.input_names},
            condition={**other.condition, **one.condition},
            targets=TargetPoints(
                {name: other.fields[name] for name in self.target_names},
                other.coords_NX,
                other.point_set,
                other.measure_N,
            ),
        )

    def _check_times(self, one_T: Tensor, other_T: Tensor, index: int) -> None:
        steps = one_T.double().diff().abs()
        size = float(steps.min()) if len(steps) else max(1.0, float(one_T.abs().max()))
        if one_T.shape != other_T.shape or float((one_T.double() - other_T.double()).abs().max()) > 1e-3 * size:
            raise DataError(
                f"paired: {self.place(index)} has other times in the inputs than in the targets; give both the same "
                f"times, and the same time_stride"
            )


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(torch.allclose(one.double(), other.double(), rtol=SAME, atol=0))


def _box(one: tuple[Dataset, DataSpec], other: tuple[Dataset, DataSpec]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Low corner and extent of the box that holds both; a periodic axis has one length and begins where targets do."""
    lows, extents, pairs = [], [], zip(*(_corners(*own) for own in (one, other)), strict=True)
    for axis, ((low, high), (target_low, target_high)) in enumerate(pairs):
        length, own = target_high - target_low, high - low
        if one[1].periodic[axis] and abs(length - own) > SAME * length:
            raise DataError(
                f"paired: axis {axis} is periodic and {own:g} long in the inputs, {length:g} in the targets; give both "
                f"the same extent"
            )
        wraps = one[1].periodic[axis]
        lows.append(target_low if wraps else min(low, target_low))
        extents.append(length if wraps else max(high, target_high) - lows[-1])
    return tuple(lows), tuple(extents)


def _corners(dataset: Dataset, spec: DataSpec) -> list[tuple[float, float]]:
    """Begin and end of each axis; where the origin is not said, the points' bounding box is in the middle."""
    low = spec.origin
    if low is None:
        coords_NX = dataset.trajectories("train").read(0, 0, 1).coords_NX.double()
        middle = (coords_NX.amin(0) + coords_NX.amax(0)) / 2
        low = tuple((middle - torch.tensor(spec.extent, dtype=torch.float64) / 2).tolist())
    return [(begin, begin + length) for begin, length in zip(low, spec.extent, strict=True)]
