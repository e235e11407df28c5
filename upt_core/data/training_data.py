"""What is remembered of the data of a run: enough to know them again, and to know what training covered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from upt_core.data.blocks import Blocks
from upt_core.data.normalize import TIME_STEP, RunningMoments
from upt_core.errors import DataError
from upt_core.points import ends_of
from upt_core.specs import DataSpec
from upt_core.trajectory import Split, Trajectories, Trajectory

Range = tuple[float, float]

WHOLE = 16
"""So many trajectories, evenly spaced, are read whole; of the others the first two time steps."""

MOST_VALUES = 4096
"""So many values of a field at a time step, evenly spaced, go into a digest."""


@dataclass(frozen=True, eq=False)
class TrainingData:
    """A fingerprint of the splits that a run sees, and the ranges of what it trained on.

    Args:
        digests: split → a number for each trajectory, from its first two time steps and its conditions: a trajectory
            that went on in another file is known again.
        content: digest of the trajectories of both splits that were read whole, with times and points.
        num_points: fewest and most points of a trajectory.
        time_step: shortest and longest time between steps; None for steady problems.
        low_C, high_C, mean_C, std_C: of each channel of ``DataSpec.fields``, over what was read.
        condition: name → smallest and largest value.
        ends: for each axis of a grid, the gap between the box and the first point, and between the last point and
            the box, in grid spacings; None for scattered points, or points that are not evenly spaced.
    """

    digests: dict[str, Tensor]
    content: str
    num_points: tuple[int, int]
    time_step: Range | None
    low_C: Tensor
    high_C: Tensor
    mean_C: Tensor
    std_C: Tensor
    condition: dict[str, Range]
    ends: tuple[Range, ...] | None

    @classmethod
    def of(cls, splits: Mapping[Split, Trajectories], data: DataSpec) -> Self:
        """Reads the first two time steps of every trajectory, and a few trajectories whole.

        Args:
            splits: "train", and others that the run looks at.
            data: with its origin.
        """
        content, seen = _Content(), _Ranges(data)
        digests: dict[str, Tensor] = {}
        for split, trajectories in splits.items():
            digests[split], blocks = digests_of(trajectories), Blocks(trajectories)
            for number in _spread(len(trajectories)):
                for start, block in blocks.of(number):
                    content.add(block, skip=int(start > 0))
                    if split == "train":
                        seen.add(block, skip=int(start > 0))
            for trajectory in _beginnings(trajectories) if split == "train" else ():
                seen.add(trajectory)
        return cls(digests, content.hexdigest(), **seen.found())

    def plain(self) -> dict[str, Any]:
        """As tensors and plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What ``plain`` gave."""
        return cls(**plain)

    def seen_in(self, trajectories: Trajectories) -> list[int]:
        """The numbers of those trajectories that the operator was trained on."""
        known = set(self.digests["train"].tolist())
        return [number for number, digest in enumerate(digests_of(trajectories).tolist()) if digest in known]

    def differences(self, now: TrainingData) -> list[str]:
        """How the data at hand, measured the same way, differ; a sentence each. Empty: they are the same."""
        found = []
        for split, before in self.digests.items():
            if split not in now.digests or torch.equal(before, now.digests[split]):
                continue
            after = now.digests[split]
            common = len(set(before.tolist()) & set(after.tolist()))
            found.append(
                f"the split {split!r} has {len(after)} trajectories, {common} of them among the {len(before)} of the "
                f"run"
            )
        if not found and self.content != now.content:
            found.append(
                "the trajectories begin like those of the run, but continue differently: other values, times or points"
            )
        return found


def digests_of(trajectories: Trajectories) -> Tensor:
    """A number (int64) for each trajectory, from its first two time steps and its conditions."""
    return torch.tensor([_digest(trajectory) for trajectory in _beginnings(trajectories)], dtype=torch.int64)


def _beginnings(trajectories: Trajectories) -> Iterator[Trajectory]:
    for number in range(len(trajectories)):
        yield trajectories.read(number, 0, min(2, trajectories.num_times(number)))


def _spread(num: int) -> list[int]:
    """Up to ``WHOLE`` numbers below ``num``, evenly spaced."""
    return sorted(set(torch.linspace(0, num - 1, min(num, WHOLE)).round().long().tolist()))


def _digest(trajectory: Trajectory) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for name, value_TNC in _fields_of(trajectory):
        digest.update(name.encode())
        for frame_NC in value_TNC[:2]:
            digest.update(_bytes(frame_NC))
    for name, value in sorted(trajectory.condition.items()):
        first = torch.as_tensor(value, dtype=torch.float64).reshape(-1)[:1]
        digest.update(name.encode() + _bytes(first))
    return int.from_bytes(digest.digest(), "little", signed=True)


class _Content:
    """A digest of whole trajectories, whatever blocks they come in: one of each field, of times and of points."""

    def __init__(self) -> None:
        self._parts: dict[str, hashlib.blake2b] = {}

    def add(self, block: Trajectory, skip: int) -> None:
        """Takes a block of a trajectory, whose first ``skip`` time steps were in the one before."""
        for place, (name, value_TNC) in enumerate(_fields_of(block)):
            if len(value_TNC) <= skip:
                continue  # constant in time: it was in the block before
            for frame_NC in value_TNC[skip:]:
                self._of(f"{place} {name} {tuple(frame_NC.shape)}").update(_bytes(frame_NC))
        self._of("time").update(block.time_T[skip:].double().contiguous().numpy().tobytes())
        for name, value in block.condition.items():
            steps = torch.as_tensor(value, dtype=torch.float64).reshape(-1)[skip:]
            self._of(f"condition {name}").update(steps.contiguous().numpy().tobytes())
        if skip:
            return
        self._of("points").update(_bytes(block.coords_NX))
        if block.measure_N is not None:
            self._of("measure").update(_bytes(block.measure_N))
        if block.targets is not None:
            self._of("points of targets").update(_bytes(block.targets.coords_NX))

    def hexdigest(self) -> str:
        """Of all parts."""
        whole = hashlib.blake2b(digest_size=16)
        for name, part in sorted(self._parts.items()):
            whole.update(name.encode() + part.digest())
        return whole.hexdigest()

    def _of(self, name: str) -> hashlib.blake2b:
        return self._parts.setdefault(name, hashlib.blake2b(digest_size=16))


def _fields_of(trajectory: Trajectory) -> list[tuple[str, Tensor]]:
    """Names and values in a fixed order, those of targets at points of their own last."""
    apart = {} if trajectory.targets is None else trajectory.targets.fields
    return [*sorted(trajectory.fields.items()), *sorted(apart.items())]


def _bytes(value: Tensor) -> bytes:
    flat = value.reshape(-1)
    return flat[:: max(1, -(-len(flat) // MOST_VALUES))].double().contiguous().numpy().tobytes()


class _Ranges:
    """Smallest and largest values of everything that trajectories are made of."""

    def __init__(self, data: DataSpec) -> None:
        self.data = data
        self.points: list[int] = []
        self.steps: list[float] = []
        self.condition: dict[str, list[float]] = {}
        self.ends: tuple[Range, ...] | None = None
        self.low_C = torch.full((data.channels,), float("inf"), dtype=torch.float64)
        self.high_C = -self.low_C
        self.moments = [RunningMoments() for _ in data.fields]

    def add(self, trajectory: Trajectory, skip: int = 0) -> None:
        """Takes a trajectory, the beginning of one, or a block whose first ``skip`` time steps were in another."""
        if not self.points and self.data.grid_shape is not None:
            shape = trajectory.grid_shape or self.data.grid_shape
            self.ends = ends_of(trajectory.coords_NX, replace(self.data, grid_shape=shape))
        self.points.append(len(trajectory.coords_NX))
        if not self.data.steady:
            steps = trajectory.time_T.double().diff()
            self.steps += [float(steps.min()), float(steps.max())] if len(steps) else []
        for name, value in trajectory.condition.items():
            values = torch.as_tensor(value, dtype=torch.float64)
            self.condition.setdefault(name, []).extend([float(values.min()), float(values.max())])
        for field, moments in zip(self.data.fields, self.moments, strict=True):
            channels = self.data.channels_of(field.name)
            for value_TNC in trajectory.all_values(field.name):
                if len(value_TNC) <= skip:
                    continue  # constant in time: it was in the block before
                value_MC = value_TNC[skip:].reshape(-1, field.channels)
                moments.add(value_MC)
                value_MC = value_MC.double()
                self.low_C[channels] = torch.minimum(self.low_C[channels], value_MC.amin(0))
                self.high_C[channels] = torch.maximum(self.high_C[channels], value_MC.amax(0))

    def found(self) -> dict[str, Any]:
        """The ranges, as arguments of ``TrainingData``."""
        return {
            "num_points": (min(self.points), max(self.points)),
            "time_step": None if self.data.steady or not self.steps else (min(self.steps), max(self.steps)),
            "low_C": self.low_C,
            "high_C": self.high_C,
            "mean_C": torch.cat([moments.mean for moments in self.moments]),
            "std_C": torch.cat([moments.deviation() for moments in self.moments]),
            "condition": {name: (min(values), max(values)) for name, values in self.condition.items()},
            "ends": self.ends,
        }


def grid_coords(shape: tuple[int, ...], data: DataSpec, ends: tuple[Range, ...] | None) -> Tensor:
    """Physical coordinates (N, X) of a grid over the box of the data, row-major, float64.

    A grid lies in the box as that of training does, with the same gaps in its own spacings, as centres of cells do. On
    a periodic axis whose training grid begins at 0 every grid begins at 0, as points at i / n do.

    Args:
        shape: points along each axis.
        ends: the gaps at the ends as in the training data; None: half a spacing, as centres of cells lie.
    """
    assert data.origin is not None
    known = ends or [(0.5, 0.5)] * len(shape)
    axes = []
    for axis, (num, low, extent, (before, after)) in enumerate(
        zip(shape, data.origin, data.extent, known, strict=True)
    ):
        spacing = extent / (num - 1 + before + after) if num - 1 + before + after > 0 else 0.0
        first = 0.0 if _begins_at_zero(axis, data, known[axis]) else low + spacing * before
        axes.append(first + spacing * torch.arange(num, dtype=torch.float64))
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(shape))


def _begins_at_zero(axis: int, data: DataSpec, ends: Range) -> bool:
    """Whether the training grid's first point along a periodic axis is at 0."""
    if data.grid_shape is None or data.origin is None or not data.periodic[axis]:
        return False
    first = data.origin[axis] + ends[0] * data.extent[axis] / (data.grid_shape[axis] - 1 + sum(ends))
    return abs(first) <= 1e-6 * data.extent[axis]


def check_fits(spec: DataSpec, stored: DataSpec, targets: bool = True) -> None:
    """Refuses data that a trained operator cannot take in.

    Args:
        targets: whether the fields to compare with must be there, too.
    """
    if spec.inputs != stored.inputs or (targets and spec.targets != stored.targets):
        raise DataError(
            f"the operator was trained on the fields {_named(stored)}, but the data set has {_named(spec)}; "
            f"use data with the fields of its run"
        )
    missing = [name for name in stored.condition if name not in (*spec.condition, TIME_STEP)]
    if missing:
        raise DataError(
            f"the operator needs the condition {', '.join(missing)}, which the data set does not give; name it in the "
            "data set's 'conditions'"
        )
    if (spec.num_axes, spec.steady) != (stored.num_axes, stored.steady):
        raise DataError(
            f"the operator was trained on {_kind(stored)}, but the data set has {_kind(spec)}; use other data"
        )


def _kind(spec: DataSpec) -> str:
    return f"{'steady fields' if spec.steady else 'fields that move in time'} in {spec.num_axes} dimensions"


def _named(spec: DataSpec) -> str:
    return ", ".join(f"{field.name} ({field.channels})" for field in spec.fields)
