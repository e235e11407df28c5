"""What is known of data and latent state before anything is read or built. Imports no torch: configurations need it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from upt_core.directions import along_axes
from upt_core.lazy import Lazy

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FieldSpec:
    """A physical field: its name and how many channels it has (1 for a scalar, X for a vector).

    Args:
        name: of the field.
        channels: how many numbers it has at each point and time.
        along: of a vector, the number of the axis that each component is along, where this is not simply its own
            number: (1, 0) of a wind [u, v] on axes [lat, lon]. Empty: the k-th component is along the k-th axis.
    """

    name: str
    channels: int = 1
    along: tuple[int, ...] = dataclasses.field(default=(), compare=False)

    def of_components(self, names: Sequence[str], axes: Sequence[str]) -> FieldSpec:
        """This field, whose components are along the axes that their names and those of the axes say.

        Args:
            names: of the components, such as ``u``, ``v``; others than these leave the field as it is.
            axes: names of the axes, such as ``lat``, ``lon``.
        """
        return replace(self, along=along_axes(names, axes) if len(names) == self.channels else ())

    def by_axis(self, value_C: Tensor) -> Tensor:
        """Components of a vector (…, X), in the order of the axes."""
        return value_C[..., self.in_order_of_axes] if self.along else value_C

    @property
    def in_order_of_axes(self) -> list[int]:
        """Numbers of a vector's components: that along the first axis, along the second, …"""
        along = self.along or range(self.channels)
        return sorted(range(len(along)), key=along.__getitem__)


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
        margins: for each axis of an even grid, the gaps between the box and its first point, and between its last point
            and the box, in grid spacings; None: not known, or the grid is uneven.
        history: how many time steps the encoder sees, the present and those before, as channels, oldest first.
        bundle: physical time steps of one call: so many of each target, oldest first, are its channels. ``time steps``
            of batches, losses and rollouts are calls then; ``unbundled`` gives single ones.
        targets_apart: True where the targets are at other points than the inputs (``Trajectory.targets``).
        target_grid: points along each axis of the grid of the targets, where these are apart; None: scattered points.
        axes: names of the axes, for pictures; empty: not known.
    """

    inputs: tuple[FieldSpec, ...]
    targets: tuple[FieldSpec, ...]
    extent: tuple[float, ...]
    periodic: tuple[bool, ...]
    grid_shape: tuple[int, ...] | None = None
    condition: tuple[str, ...] = ()
    steady: bool = False
    origin: tuple[float, ...] | None = None
    history: int = 1
    bundle: int = 1
    margins: tuple[tuple[float, float], ...] | None = None
    targets_apart: bool = False
    target_grid: tuple[int, ...] | None = None
    axes: tuple[str, ...] = ()

    @property
    def grid_of_targets(self) -> tuple[int, ...] | None:
        """Points along each axis of the grid on which predictions are compared; None: scattered points."""
        return self.target_grid if self.targets_apart else self.grid_shape

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
        """Number of channels that the encoder sees: those of the input fields, once for each frame of history."""
        return self.history * self.frame_channels

    @Lazy
    def frame_channels(self) -> int:
        """Number of channels of the input fields at one time step."""
        return sum(field.channels for field in self.inputs)

    @Lazy
    def given(self) -> tuple[FieldSpec, ...]:
        """The input fields that are not predicted: a rollout is told them."""
        return tuple(field for field in self.inputs if field not in self.targets)

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

    def of_frames(self) -> DataSpec:
        """The same data at single physical time steps, as metrics and predictions have them."""
        single = {field.name: replace(field, channels=field.channels // self.bundle) for field in self.targets}
        inputs, targets = (tuple(single.get(f.name, f) for f in fields) for fields in (self.inputs, self.targets))
        return replace(self, inputs=inputs, targets=targets, bundle=1)

    def times_of_frames(self, time_T: Tensor) -> Tensor:
        """Physical times of the time steps that calls answer with, from those of the present and of each call."""
        if self.bundle == 1:
            return time_T[1:]
        import torch

        part_K = torch.arange(1 - self.bundle, 1, dtype=time_T.dtype) / self.bundle
        return (time_T[1:, None] + time_T.diff()[:, None] * part_K).flatten()

    def unbundled(self, target_BTNC: Tensor) -> Tensor:
        """Target channels of calls as single physical time steps: (B, T · bundle, N, C / bundle)."""
        if self.bundle == 1:
            return target_BTNC
        import torch

        parts = []
        for field in self.targets:
            value_BTNC = target_BTNC[..., self.channels_of(field.name, self.targets)]
            value_BTNKC = value_BTNC.reshape(*value_BTNC.shape[:-1], self.bundle, -1)
            parts.append(torch.movedim(value_BTNKC, -2, 2).flatten(1, 2))
        return torch.cat(parts, dim=-1)

    def inputs_of(self, value: Tensor) -> Tensor:
        """The input channels of a tensor whose last axis holds all ``channels``."""
        return value[..., : self.frame_channels]

    def last_frame(self, input_BNC: Tensor) -> Tensor:
        """The present of an encoder's input, without the frames of history before it."""
        return input_BNC[..., self.input_channels - self.frame_channels :]

    def next_input(self, input_BNC: Tensor, target_BNC: Tensor, given_BNC: Tensor | None = None) -> Tensor:
        """The encoder's input one time step on: the oldest frame leaves, the new one comes.

        Args:
            input_BNC: the encoder's input now.
            target_BNC: target fields one time step on.
            given_BNC: the ``given`` fields one time step on; None: as they are now.
        """
        if self.inputs == self.targets and self.history == 1:
            return target_BNC
        frame_BNC = self.last_frame(input_BNC)
        parts = [input_BNC[..., self.frame_channels :]]
        for field in self.inputs:
            value, among = (target_BNC, self.targets) if field in self.targets else (frame_BNC, self.inputs)
            if field in self.given and given_BNC is not None:
                value, among = given_BNC, self.given
            parts.append(value[..., self.channels_of(field.name, among)])
        import torch

        return torch.cat(parts, dim=-1)

    def targets_of(self, value: Tensor) -> Tensor:
        """The target channels of a tensor whose last axis holds all ``channels``."""
        if self._target_slice is not None:
            return value[..., self._target_slice]
        import torch

        return torch.cat([value[..., self.channels_of(field.name)] for field in self.targets], dim=-1)

    @Lazy
    def _target_slice(self) -> slice | None:
        parts = [self.channels_of(field.name) for field in self.targets]
        contiguous = all(left.stop == right.start for left, right in pairwise(parts))
        return slice(parts[0].start, parts[-1].stop) if contiguous else None


@dataclass(frozen=True)
class LatentSpec:
    """Shape of the latent state: ``tokens`` latent tokens (L) of width ``dim`` (D).

    Args:
        tokens: L.
        dim: D.
        lattice: tokens along each axis, where tokens keep their place: L is their product, tokens are row-major, and
            token j of n along an axis stands at (j + 1/2) / n of the unit box. None: tokens have no place.
    """

    tokens: int
    dim: int
    lattice: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.lattice is not None and math.prod(self.lattice) != self.tokens:
            raise ValueError(
                f"a lattice of {list(self.lattice)} has {math.prod(self.lattice)} tokens, not {self.tokens}"
            )

    @classmethod
    def on_lattice(cls, lattice: Sequence[int], dim: int) -> LatentSpec:
        """Tokens that keep their place, so many along each axis."""
        return cls(math.prod(lattice), dim, tuple(lattice))
