"""A data set with the mirror images, rotations and shifts of its training trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, Split, Trajectories, Trajectory


class _Image(NamedTuple):
    """One symmetry: shifts along axes (as parts of the axis), then an exchange of the first two axes, then mirrors."""

    shifts: tuple[float, ...]
    swap: bool
    flips: tuple[int, ...]


class Symmetric(Dataset):
    """Shows every training trajectory in all its symmetric images; validation and test stay as they are.

    Where a law does not change under a mirror image, a quarter turn or a shift, each trajectory is as good as several:
    with few trajectories on two- and three-dimensional grids this is worth more than most changes of the model. An
    epoch becomes as many times longer as there are images: 2 for each axis of ``flips``, 2 for ``swap``, ``rolls`` for
    each axis of ``roll_axes``. Regular grids only.

    Traps: a symmetry that the law has not (a forcing, gravity, an inflow) teaches something wrong. Conditioning values
    stay as they are, so none of them may have a direction. A mirrored axis must lie evenly in its box, as grids of
    points at (i + 1/2) / n or from end to end do; on a periodic axis a mirror image is moved by a grid step at most,
    which shifts do not mind.

    Args:
        base: the data set.
        flips: numbers of the axes along which the law is mirror-symmetric.
        swap: whether the first two axes may be exchanged; they need equal lengths and numbers of points. With both axes
            in ``flips`` this gives the 8 symmetries of the square.
        roll_axes: numbers of the periodic axes along which the law does not change from place to place.
        rolls: evenly spaced shifts along each of ``roll_axes``.
        vectors: names of vector fields, whose channels are the components along the axes.
        odd: names of scalar fields that a mirror image turns around, such as vorticity in two dimensions.
    """

    def __init__(
        self,
        base: Dataset,
        flips: list[NonNegativeInt] = [],  # noqa: B006 (a schema needs a plain default; it is only read)
        swap: bool = False,
        roll_axes: list[NonNegativeInt] = [],  # noqa: B006
        rolls: PositiveInt = 4,
        vectors: list[str] = [],  # noqa: B006
        odd: list[str] = [],  # noqa: B006
    ) -> None:
        self.base = base
        self.flips, self.swap, self.roll_axes, self.rolls = tuple(flips), swap, tuple(roll_axes), rolls
        self.vectors, self.odd = tuple(vectors), tuple(odd)

    def spec(self) -> DataSpec:
        """That of the base.

        Raises:
            DataError: the symmetries do not fit the data.
        """
        spec = self.base.spec()
        self._check(spec)
        return spec

    def trajectories(self, split: Split) -> Trajectories:
        """Those of the base; of the training split all images."""
        found, spec = self.base.trajectories(split), self.spec()
        return _Images(found, spec, self._images(spec.num_axes), self.vectors, self.odd) if split == "train" else found

    def files(self) -> Sequence[Path]:
        """Those of the base."""
        return self.base.files()

    def remarks(self) -> list[str]:
        """Those of the base, and how many images there are."""
        number = len(self._images(self.base.spec().num_axes))
        return [*self.base.remarks(), f"each training trajectory is shown in {number} symmetric images"]

    def _images(self, num_axes: int) -> list[_Image]:
        shifts = [
            [step / self.rolls for step in range(self.rolls)] if axis in self.roll_axes else [0.0]
            for axis in range(num_axes)
        ]
        swaps = (False, True) if self.swap else (False,)
        mirrors = product(*[((), (axis,)) for axis in self.flips])
        flips = [tuple(axis for part in mirror for axis in part) for mirror in mirrors]
        return [_Image(*image) for image in product(product(*shifts), swaps, flips)]

    def _check(self, spec: DataSpec) -> None:
        if spec.grid_shape is None:
            raise DataError("symmetric needs fields on a regular grid, but its base has scattered points")
        for name, axes in (("flips", self.flips), ("roll_axes", self.roll_axes)):
            wrong = [axis for axis in axes if axis >= spec.num_axes]
            if wrong or len(set(axes)) < len(axes):
                raise DataError(f"symmetric: {name} is {list(axes)}; name axes once, from 0 to {spec.num_axes - 1}")
        open_axes = [axis for axis in self.roll_axes if not spec.periodic[axis]]
        if open_axes:
            raise DataError(f"symmetric: axis {open_axes[0]} of roll_axes is not periodic, so shifts have no meaning")
        if self.swap and not _alike(spec):
            raise DataError(
                f"symmetric: swap exchanges the first two axes, but they differ: points {list(spec.grid_shape)}, "
                f"extent {list(spec.extent)}, periodic {list(spec.periodic)}"
            )
        for name in (*self.vectors, *self.odd):
            channels = spec.channels_of(name)
            if name in self.vectors and channels.stop - channels.start != spec.num_axes:
                raise DataError(
                    f"symmetric: field {name!r} has {channels.stop - channels.start} channels, but a vector has one "
                    f"for each of {spec.num_axes} axes"
                )


class _Images:
    """The images of trajectories: those of the first, those of the second, …"""

    def __init__(
        self,
        base: Trajectories,
        spec: DataSpec,
        images: list[_Image],
        vectors: tuple[str, ...],
        odd: tuple[str, ...],
    ) -> None:
        self.base, self.spec, self.images, self.vectors, self.odd = base, spec, images, vectors, odd

    def __len__(self) -> int:
        return len(self.base) * len(self.images)

    @property
    def held(self) -> bool:
        """Whether those of the base are in memory."""
        return bool(getattr(self.base, "held", False))

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        return self.base.num_times(index // len(self.images))

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one image."""
        number, image = divmod(index, len(self.images))
        own = self.base.read(number, start, stop)
        fields = {name: self._image(name, value, self.images[image]) for name, value in own.fields.items()}
        return Trajectory(fields, own.coords_NX, own.time_T, own.condition, own.point_set)

    def _image(self, name: str, value_TNC: Tensor, image: _Image) -> Tensor:
        assert self.spec.grid_shape is not None
        value_TVC = value_TNC.reshape(len(value_TNC), *self.spec.grid_shape, -1)
        for axis, (shift, points) in enumerate(zip(image.shifts, self.spec.grid_shape, strict=True), start=1):
            value_TVC = value_TVC.roll(round(shift * points), axis) if shift else value_TVC
        if image.swap:
            value_TVC = value_TVC.transpose(1, 2)
        if image.flips:
            value_TVC = value_TVC.flip([axis + 1 for axis in image.flips])
        return self._turned(name, value_TVC, image).reshape(value_TNC.shape)

    def _turned(self, name: str, value_TVC: Tensor, image: _Image) -> Tensor:
        """Components and signs, as the mirror images turn them."""
        if name in self.odd:
            return value_TVC if (len(image.flips) + image.swap) % 2 == 0 else -value_TVC
        if name not in self.vectors:
            return value_TVC
        components = list(value_TVC.unbind(-1))
        if image.swap:
            components[:2] = components[1], components[0]
        return torch.stack([-part if axis in image.flips else part for axis, part in enumerate(components)], dim=-1)


def _alike(spec: DataSpec) -> bool:
    """Whether the first two axes may be exchanged."""
    if spec.grid_shape is None or spec.num_axes < 2:
        return False
    return all(values[0] == values[1] for values in (spec.grid_shape, spec.extent, spec.periodic))
