"""What every stage hands to the next: a trajectory, a batch of it, its points, the query points of a loss.

Letters of tensor shapes, used everywhere; a tensor's name ends in its shape (``latent_BLD``):

    B  samples of a batch      T  time steps          N  points of a sample     S  supernodes
    L  latent tokens           Q  query points        C  channels               X  coordinate axes
    D  width                   H  attention heads     P  conditioning values
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from upt_core.gather import gather_rows
from upt_core.lazy import Lazy
from upt_core.locality import hilbert_order


@dataclass(frozen=True)
class FieldSpec:
    """A physical field: its name and how many channels it has (1 for a scalar, X for a vector)."""

    name: str
    channels: int = 1


@dataclass(frozen=True)
class DataSpec:
    """What is known of a data set before training: fields, axes, shape. Models and losses are built from it.

    Channels are concatenated in the order of ``fields``: the inputs first, then those targets that are not inputs.
    The decoder answers for all of ``fields``; ``inputs_of`` and ``targets_of`` pick from its answer.

    Args:
        inputs: the fields that the encoder sees.
        targets: the fields that the model predicts. The same as the inputs where a state moves through time.
        extent: physical length of each axis. Coordinates that models see are scaled to [0, 1] by it.
        periodic: for each axis, whether the domain wraps around.
        grid_shape: points along each axis of a regular grid, row-major; None for scattered points.
        condition: names of the conditioning values (time step, viscosity, …), P of them.
        steady: True where there is no time: one input, one solution.
        origin: physical coordinates of the domain's low corner; None: the points' bounding box is centred in it.
    """

    inputs: tuple[FieldSpec, ...]
    targets: tuple[FieldSpec, ...]
    extent: tuple[float, ...]
    periodic: tuple[bool, ...]
    grid_shape: tuple[int, ...] | None = None
    condition: tuple[str, ...] = ()
    steady: bool = False
    origin: tuple[float, ...] | None = None

    @property
    def num_axes(self) -> int:
        """X, the number of coordinate axes."""
        return len(self.extent)

    @Lazy
    def fields(self) -> tuple[FieldSpec, ...]:
        """Every field once: the inputs, then the targets that are not inputs."""
        return self.inputs + tuple(field for field in self.targets if field not in self.inputs)

    @Lazy
    def channels(self) -> int:
        """Number of channels of all ``fields`` together: what a decoder answers with."""
        return sum(field.channels for field in self.fields)

    @Lazy
    def input_channels(self) -> int:
        """Number of channels that the encoder sees."""
        return sum(field.channels for field in self.inputs)

    @Lazy
    def target_channels(self) -> int:
        """Number of channels that are predicted."""
        return sum(field.channels for field in self.targets)

    def channels_of(self, name: str, among: tuple[FieldSpec, ...] | None = None) -> slice:
        """The channels of one field among ``fields`` (or among the given fields).

        Raises:
            ValueError: no field has this name; the message lists those there are.
        """
        start = 0
        for field in self.fields if among is None else among:
            if field.name == name:
                return slice(start, start + field.channels)
            start += field.channels
        known = ", ".join(field.name for field in (self.fields if among is None else among))
        raise ValueError(f"no field is called {name!r}; the data set has: {known}")

    def inputs_of(self, value: Tensor) -> Tensor:
        """The input channels of a tensor whose last axis holds all ``channels``."""
        return value[..., : self.input_channels]

    def next_input(self, input_BNC: Tensor, target_BNC: Tensor) -> Tensor:
        """The encoder's input one time step on: targets where they are inputs, and what does not change in time."""
        if self.inputs == self.targets:
            return target_BNC
        parts = []
        for field in self.inputs:
            moves = field in self.targets
            value, among = (target_BNC, self.targets) if moves else (input_BNC, self.inputs)
            parts.append(value[..., self.channels_of(field.name, among)])
        return torch.cat(parts, dim=-1)

    def targets_of(self, value: Tensor) -> Tensor:
        """The target channels of a tensor whose last axis holds all ``channels``."""
        if self._target_slice is not None:
            return value[..., self._target_slice]
        return torch.cat([value[..., self.channels_of(field.name)] for field in self.targets], dim=-1)

    @Lazy
    def _target_slice(self) -> slice | None:
        parts = [self.channels_of(field.name) for field in self.targets]
        contiguous = all(left.stop == right.start for left, right in pairwise(parts))
        return slice(parts[0].start, parts[-1].stop) if contiguous else None


@dataclass(frozen=True)
class LatentSpec:
    """Shape of the latent state: ``tokens`` latent tokens (L) of width ``dim`` (D)."""

    tokens: int
    dim: int


@dataclass(frozen=True)
class Trajectory:
    """One simulation, or a window of it, in physical units.

    Args:
        fields: name → (T, N, C) floats. A field that does not change in time has T = 1.
        coords_NX: physical coordinates of the points, row-major for a grid.
        time_T: physical times of the steps.
        condition: conditioning values by name, as in ``DataSpec.condition``; the time step is added by upt.
        point_set: which point set this is; trajectories with equal numbers share their coordinates.
    """

    fields: dict[str, Tensor]
    coords_NX: Tensor
    time_T: Tensor
    condition: dict[str, float]
    point_set: int = 0


class Trajectories(Protocol):
    """The trajectories of one split. ``read`` may be lazy: it is asked only for the time steps that are needed."""

    def __len__(self) -> int: ...

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        ...

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one trajectory; fields that are constant in time come with T = 1."""
        ...


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a batch: a grid, or scattered, with coordinates scaled to the unit box.

    Args:
        coords_BNX: coordinates in [0, 1]. Rows of a batch that share their points share their memory (stride 0).
        grid_shape: points along each axis, row-major; None for scattered points.
        lengths: real points of each row where rows differ in number and are padded at the end; None: all N.
        order_BN: a locality order of scattered points (neighbours in the order are neighbours in space).
        sample_id_B: number of each row's sample in the data set, for samplers that remember scores.
        extent: physical length of each axis.
        periodic: for each axis, whether the domain wraps around.
    """

    coords_BNX: Tensor
    grid_shape: tuple[int, ...] | None = None
    lengths: tuple[int, ...] | None = None
    order_BN: Tensor | None = None
    sample_id_B: Tensor | None = None
    extent: tuple[float, ...] = ()
    periodic: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if self.grid_shape is not None and math.prod(self.grid_shape) != self.num_points:
            raise ValueError(f"a grid of shape {self.grid_shape} does not have {self.num_points} points")

    @property
    def batch_size(self) -> int:
        """B."""
        return self.coords_BNX.shape[0]

    @property
    def num_points(self) -> int:
        """N, padding included."""
        return self.coords_BNX.shape[1]

    @property
    def num_axes(self) -> int:
        """X."""
        return self.coords_BNX.shape[2]

    @property
    def device(self) -> torch.device:
        """Where the coordinates are."""
        return self.coords_BNX.device

    @property
    def shared(self) -> bool:
        """Whether all rows are the same points in the same memory."""
        return self.batch_size == 1 or self.coords_BNX.stride(0) == 0

    @Lazy
    def length_B1(self) -> Tensor | None:
        """Real points of each row as a (B, 1) tensor; None without padding."""
        if self.lengths is None:
            return None
        lengths = torch.tensor(self.lengths).unsqueeze(1)
        if self.device.type == "cuda":  # from pinned memory the copy does not wait for the device
            lengths = lengths.pin_memory()
        return lengths.to(self.device, non_blocking=True)

    @Lazy
    def mask_BN(self) -> Tensor | None:
        """True where a point is real, False where it pads; None without padding."""
        if self.length_B1 is None:
            return None
        return torch.arange(self.num_points, device=self.device) < self.length_B1

    @Lazy
    def locality_order_BN(self) -> Tensor:
        """Points along a Hilbert curve (padding last), from the data set's cache or computed now."""
        if self.order_BN is not None:
            return self.order_BN
        if self.shared:
            return hilbert_order(self.coords_BNX[:1], None).expand(self.batch_size, -1)
        return hilbert_order(self.coords_BNX, self.mask_BN)

    def select(self, queries: Queries) -> Points:
        """The points at the queries, as scattered points. All points: these points themselves."""
        if queries.index_BQ is None:
            return self
        return replace(
            self,
            coords_BNX=queries.take(self.coords_BNX),
            grid_shape=None,
            lengths=None,
            order_BN=None,
        )

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Points:
        """The same points with every tensor changed (moved, pinned); rows that shared memory still do."""
        return replace(
            self,
            coords_BNX=_mapped_rows(self.coords_BNX, change),
            order_BN=None if self.order_BN is None else _mapped_rows(self.order_BN, change),
            sample_id_B=None if self.sample_id_B is None else change(self.sample_id_B),
        )


def _mapped_rows(value: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    shared = value.shape[0] > 1 and value.stride(0) == 0
    return change(value[:1]).expand(value.shape) if shared else change(value)


@dataclass(frozen=True, eq=False)
class Queries:
    """Where a loss looks: Q points of each row, and weights that keep the mean unbiased.

    The contract of every sampler: for any value at the points, the expectation of ``mean(take(value))`` over draws
    is the mean over all points.

    Args:
        index_BQ: int64 numbers of points; None: all points in their order, without a gather.
        weight_BQ: float32, finite, ≥ 0; None: all 1. Slots of padding have weight 0.
    """

    index_BQ: Tensor | None = None
    weight_BQ: Tensor | None = None

    @staticmethod
    def all(points: Points) -> Queries:
        """All points. Without padding this is the dense loss, bit for bit."""
        if points.mask_BN is None or points.length_B1 is None:
            return Queries()
        return Queries(None, points.mask_BN * (points.num_points / points.length_B1))

    @Lazy
    def _flat_index(self) -> Tensor:
        assert self.index_BQ is not None
        return self.index_BQ.flatten()

    def _rows(self, stride: int) -> Tensor:
        assert self.index_BQ is not None
        offset = torch.arange(self.index_BQ.shape[0], device=self.index_BQ.device).unsqueeze(1)
        return (self.index_BQ + offset * stride).flatten()

    def take(self, value_BNC: Tensor) -> Tensor:
        """Values (B, N, C) at the query points: (B, Q, C).

        One flat ``index_select`` of rows, which on CPU is several times faster than ``value[:, index]``.
        """
        if self.index_BQ is None:
            return value_BNC
        batch, _, channels = value_BNC.shape
        out_shape = (batch, self.index_BQ.shape[1], channels)
        if value_BNC.stride(0) == 0 or batch == 1:
            return gather_rows(value_BNC[0], self._flat_index).view(out_shape)
        row_stride, remainder = divmod(value_BNC.stride(0), channels)
        packed = value_BNC.stride(2) == 1 and value_BNC.stride(1) == channels and remainder == 0
        if not packed or value_BNC.requires_grad:
            value_BNC, row_stride = value_BNC.contiguous(), value_BNC.shape[1]
            flat = value_BNC.view(-1, channels)
        else:
            num_rows = row_stride * (batch - 1) + value_BNC.shape[1]
            flat = value_BNC.as_strided((num_rows, channels), (channels, 1))
        return gather_rows(flat, self._rows(row_stride)).view(out_shape)

    def mean(self, value_BQ: Tensor) -> Tensor:
        """Weighted mean over query points and batch, in float32 at least: an unbiased estimate over all points."""
        value_BQ = value_BQ.float() if value_BQ.dtype in (torch.float16, torch.bfloat16) else value_BQ
        return value_BQ.mean() if self.weight_BQ is None else (value_BQ * self.weight_BQ).mean()


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
