"""A data set with the mirror images, rotations and shifts of its training trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, Split, StackedWindows, Trajectories, Trajectory, read_many


class _Image(NamedTuple):
    """One symmetry: an exchange of the first two axes, then mirrors, then shifts along axes (parts of the axis)."""

    swap: bool
    flips: tuple[int, ...]
    shifts: tuple[float, ...]

    @property
    def said(self) -> str:
        """In words, for messages."""
        return f"flips {list(self.flips)}, swap {self.swap}, shifts {[round(part, 6) for part in self.shifts]}"


class Symmetric(Dataset):
    """Adds the symmetric images of every training trajectory; validation and test stay unchanged.

    If the equations do not change under a reflection, a quarter turn or a shift, each trajectory is worth several. With
    few trajectories on two- and three-dimensional grids this helps more than most changes of the model. An epoch
    becomes longer by the number of images: 2 for each axis of ``flips``, 2 for ``swap``, ``rolls`` for each axis of
    ``roll_axes``. Only for regular grids.

    Traps: a symmetry that the equations do not have (because of a forcing, gravity, an inflow) gives wrong training
    data. Conditions stay unchanged, so none of them may have a direction. Periodic axes are reflected at the end of
    their box, with points at i / n or at (i + 1/2) / n. An open axis is reflected in its middle, and its points must be
    evenly spaced in the box, at (i + 1/2) / n or from end to end.

    Equations with a fixed periodic forcing keep some symmetries. Kolmogorov flow, driven by cos(8πy) in a unit square,
    is invariant under any shift along x, under shifts by a quarter along y, and under reflections that are followed by
    a shift by an eighth along y: ``{flips: [0, 1], glide: [0, 0.125], roll_axes: [0, 1], rolls: [64, 4], odd:
    [vorticity]}``.

    Args:
        base: the data set.
        flips: numbers of the axes along which the equations are mirror-symmetric.
        swap: whether the first two axes may be swapped; they need equal lengths and numbers of points. With both axes
            in ``flips`` this gives the 8 symmetries of the square.
        roll_axes: numbers of the periodic axes along which the equations do not depend on the position.
        rolls: evenly spaced shifts along each of ``roll_axes``, one number for all or one for each. The number of
            points of an axis gives all shifts.
        glide: shift that follows every reflection, as a fraction of each axis; only along periodic axes. None: no
            shift.
        vectors: names of vector fields, which have a component along each axis.
        odd: names of scalar fields that change sign under a reflection, such as vorticity in two dimensions.
        images: number of images of each trajectory, including itself; the others are chosen at random; None: all. For
            equations with many shifts, because every image is read once before training starts. Good: 64.
    """

    def __init__(
        self,
        base: Dataset,
        flips: list[NonNegativeInt] = [],  # noqa: B006 (a schema needs a plain default; it is only read)
        swap: bool = False,
        roll_axes: list[NonNegativeInt] = [],  # noqa: B006
        rolls: PositiveInt | list[PositiveInt] = 4,
        glide: list[Annotated[float, Field(ge=0, lt=1)]] | None = None,
        vectors: list[str] = [],  # noqa: B006
        odd: list[str] = [],  # noqa: B006
        images: PositiveInt | None = None,
    ) -> None:
        self.base = base
        self.flips, self.swap, self.roll_axes = tuple(flips), swap, tuple(roll_axes)
        self.rolls = (rolls,) * len(roll_axes) if isinstance(rolls, int) else tuple(rolls)
        self.glide = None if glide is None else tuple(glide)
        self.vectors, self.odd, self.images = tuple(vectors), tuple(odd), images

    def spec(self) -> DataSpec:
        """That of the base.

        Raises:
            DataError: the symmetries do not fit the data.
        """
        spec = self.base.spec()
        self._check(spec)
        return spec

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """Those of the base."""
        found = self.base.settings_at(grid_shape)
        return None if found is None else {f"base.{key}": value for key, value in found.items()}

    def trajectories(self, split: Split) -> Trajectories:
        """Those of the base; of the training split all images."""
        found, spec = self.base.trajectories(split), self.spec()
        if split != "train":
            return found
        return _Images(found, spec, self._all(spec.num_axes), self.images, self.vectors, self.odd)

    def everything(self) -> Trajectories:
        """Those of the base, without images."""
        return self.base.everything()

    def files(self) -> Sequence[Path]:
        """Those of the base."""
        return self.base.files()

    def remarks(self) -> list[str]:
        """Those of the base, and how many images there are."""
        number = len(self._all(self.base.spec().num_axes))
        shown = str(number) if self.images is None or self.images >= number else f"{self.images} of {number}"
        return [*self.base.remarks(), f"each training trajectory has {shown} symmetric images"]

    def _all(self, num_axes: int) -> list[_Image]:
        rolls = dict(zip(self.roll_axes, self.rolls, strict=True))
        steps = [[step / rolls.get(axis, 1) for step in range(rolls.get(axis, 1))] for axis in range(num_axes)]
        mirrors = product(*[((), (axis,)) for axis in self.flips])
        flips = [tuple(axis for part in mirror for axis in part) for mirror in mirrors]
        return [
            _Image(swap, flip, self._shifts(step, len(flip)))
            for step, swap, flip in product(product(*steps), (False, True) if self.swap else (False,), flips)
        ]

    def _shifts(self, step: tuple[float, ...], mirrors: int) -> tuple[float, ...]:
        """Shifts along all axes, of an image with that many mirrors."""
        return tuple(own + mirrors * glide for own, glide in zip(step, self.glide or (0.0,) * len(step), strict=True))

    def _check(self, spec: DataSpec) -> None:
        if spec.targets_apart:
            raise DataError(
                "symmetric: the targets of the base are at other points than the inputs; use the base without symmetric"
            )
        if spec.grid_shape is None:
            raise DataError("symmetric needs fields on a regular grid, but its base has scattered points")
        for name, axes in (("flips", self.flips), ("roll_axes", self.roll_axes)):
            wrong = [axis for axis in axes if axis >= spec.num_axes]
            if wrong or len(set(axes)) < len(axes):
                raise DataError(f"symmetric: {name} is {list(axes)}; name axes once, from 0 to {spec.num_axes - 1}")
        self._check_shifts(spec)
        if self.swap and not _alike(spec):
            raise DataError(
                f"symmetric: swap exchanges the first two axes, but they differ: points {list(spec.grid_shape)}, "
                f"extent {list(spec.extent)}, periodic {list(spec.periodic)}"
            )
        self._check_fields(spec)

    def _check_shifts(self, spec: DataSpec) -> None:
        assert spec.grid_shape is not None
        if len(self.rolls) != len(self.roll_axes):
            raise DataError(
                f"symmetric: rolls is {list(self.rolls)}; it needs one number for all axes, or one for each of the "
                f"{len(self.roll_axes)} in roll_axes"
            )
        if self.glide is not None and len(self.glide) != spec.num_axes:
            raise DataError(
                f"symmetric: glide is {list(self.glide)}; it needs one fraction for each of {spec.num_axes} axes"
            )
        shifts = {"roll_axes": dict(zip(self.roll_axes, (1 / number for number in self.rolls), strict=True))}
        shifts["glide"] = {axis: part for axis, part in enumerate(self.glide or ()) if part}
        for name, parts in shifts.items():
            for axis, part in parts.items():
                points = spec.grid_shape[axis]
                if not spec.periodic[axis]:
                    raise DataError(f"symmetric: axis {axis} of {name} is not periodic, so it cannot be shifted")
                if abs(part * points - round(part * points)) > 1e-6:
                    raise DataError(
                        f"symmetric: {name} shifts axis {axis} by {part:g} of its {points} points, which is not a "
                        "whole number"
                    )

    def _check_fields(self, spec: DataSpec) -> None:
        for name in (*self.vectors, *self.odd):
            channels = spec.channels_of(name)
            if name in self.vectors and channels.stop - channels.start != spec.num_axes:
                raise DataError(
                    f"symmetric: field {name!r} has {channels.stop - channels.start} channels, but a vector has one "
                    f"for each of {spec.num_axes} axes"
                )


class _Images:
    """The images of trajectories: those of the first, those of the second, …

    Args:
        images: all symmetries, the first of which changes nothing.
        number: of images of each trajectory, chosen at random for each; None: all.
    """

    def __init__(
        self,
        base: Trajectories,
        spec: DataSpec,
        images: list[_Image],
        number: int | None,
        vectors: tuple[str, ...],
        odd: tuple[str, ...],
    ) -> None:
        self.base, self.spec, self.images, self.vectors, self.odd = base, spec, images, vectors, odd
        self.along = {field.name: field.along or tuple(range(field.channels)) for field in spec.fields}
        self.number = len(images) if number is None else min(number, len(images))
        self._cells_fit: set[tuple[int, _Image]] = set()

    def __len__(self) -> int:
        return len(self.base) * self.number

    @property
    def held(self) -> bool:
        """Whether those of the base are in memory."""
        return bool(getattr(self.base, "held", False))

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        return self.base.num_times(index // self.number)

    def place(self, index: int) -> str:
        """Where a trajectory is from, and which of its images it is."""
        number, order = divmod(index, self.number)
        return _place(self.base, number) + (f", image {order}" if order else "")

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one image."""
        number, order = divmod(index, self.number)
        own, image = self.base.read(number, start, stop), self._chosen(number, order)
        if own.grid_shape not in (None, self.spec.grid_shape):
            raise DataError(
                f"symmetric: {_place(self.base, number)} is on a grid of {list(own.grid_shape or ())} points, others "
                f"on {list(self.spec.grid_shape or ())}; use training files of one grid"
            )
        starts = self._starts(own.coords_NX)
        fields = {name: self._image(name, value, image, starts) for name, value in own.fields.items()}
        self._check_cells(own.measure_N, own.point_set, image, starts)
        return Trajectory(fields, own.coords_NX, own.time_T, own.condition, own.point_set, own.measure_N)

    def read_many(self, windows: Sequence[tuple[int, int, int]]) -> StackedWindows | None:
        """Several windows at once, each in its image; None where the base cannot, or has another grid."""
        own = read_many(self.base, [(index // self.number, start, stop) for index, start, stop in windows])
        if own is None or own.grid_shape not in (None, self.spec.grid_shape):
            return None
        images = [self._chosen(*divmod(index, self.number)) for index, _, _ in windows]
        starts = self._starts(own.coords_NX)
        fields = {
            name: torch.stack([self._image(name, row, image, starts) for row, image in zip(value, images, strict=True)])
            for name, value in own.fields.items()
        }
        for image in set(images) if own.measure_N is not None else ():
            self._check_cells(own.measure_N, own.point_set, image, starts)
        return replace(own, fields=fields, grid_shape=None)

    def _chosen(self, number: int, order: int) -> _Image:
        """The image of a trajectory that comes at this place; the first is the trajectory itself."""
        if self.number == len(self.images):
            return self.images[order]
        rng = torch.Generator().manual_seed(number)
        others = torch.randperm(len(self.images) - 1, generator=rng)[: self.number - 1] + 1
        return self.images[0 if order == 0 else int(others[order - 1])]

    def _check_cells(self, measure_N: Tensor | None, point_set: int, image: _Image, starts: Sequence[float]) -> None:
        """Refuses an image under which cells would change their size; once for each point set and image."""
        if measure_N is None or (point_set, image) in self._cells_fit:
            return
        there_N = self._image("", measure_N[None, :, None], image, starts).flatten()
        if not bool(torch.allclose(there_N, measure_N, rtol=1e-4, atol=1e-4 * float(measure_N.mean()))):
            raise DataError(
                f"symmetric: the areas or volumes of cells differ in the image with {image.said}; leave out this "
                "symmetry, or the data set's 'measure'"
            )
        self._cells_fit.add((point_set, image))

    def _starts(self, coords_NX: Tensor) -> list[float]:
        """Where the first point lies along each axis, in parts of the axis; half a step in, where nothing is said."""
        assert self.spec.grid_shape is not None
        if self.spec.origin is None:
            return [0.5 / points for points in self.spec.grid_shape]
        first_X: list[float] = coords_NX[0].tolist()
        sides = zip(first_X, self.spec.origin, self.spec.extent, strict=True)
        return [(own - low) / length for own, low, length in sides]

    def _image(self, name: str, value_TNC: Tensor, image: _Image, starts: Sequence[float]) -> Tensor:
        """A field's image; the first point along each axis lies at ``starts``, in parts of the axis."""
        assert self.spec.grid_shape is not None
        value_TVC = value_TNC.reshape(len(value_TNC), *self.spec.grid_shape, -1)
        if image.swap:
            value_TVC = value_TVC.transpose(1, 2)
        if image.flips:
            value_TVC = value_TVC.flip([axis + 1 for axis in image.flips])
        for axis, (shift, points) in enumerate(zip(image.shifts, self.spec.grid_shape, strict=True)):
            by = round(shift * points)
            if axis in image.flips and self.spec.periodic[axis]:
                by += 1 - round(2 * starts[axis] * points)  # mirrored at the end of the box, not between two points
            value_TVC = value_TVC.roll(by, axis + 1) if by % points else value_TVC
        return self._turned(name, value_TVC, image).reshape(value_TNC.shape)

    def _turned(self, name: str, value_TVC: Tensor, image: _Image) -> Tensor:
        """Components and signs, as the mirror images turn them."""
        if name in self.odd:
            return value_TVC if (len(image.flips) + image.swap) % 2 == 0 else -value_TVC
        if name not in self.vectors:
            return value_TVC
        along = self.along[name]
        by_axis = {axis: value_TVC[..., channel] for channel, axis in enumerate(along)}
        if image.swap:
            by_axis[0], by_axis[1] = by_axis[1], by_axis[0]
        return torch.stack([-by_axis[axis] if axis in image.flips else by_axis[axis] for axis in along], dim=-1)


def _place(trajectories: Trajectories, number: int) -> str:
    own = getattr(trajectories, "place", None)
    return f"trajectory {number}" if own is None else str(own(number))


def _alike(spec: DataSpec) -> bool:
    """Whether the first two axes may be exchanged."""
    if spec.grid_shape is None or spec.num_axes < 2:
        return False
    return all(values[0] == values[1] for values in (spec.grid_shape, spec.extent, spec.periodic))
