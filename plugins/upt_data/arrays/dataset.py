"""Data sets of named arrays on a grid, whatever the format of the file: npz, HDF5, zarr, NetCDF, .mat."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from upt_core import DataError, Split
from upt_data.arrays.reading import FileReading
from upt_data.arrays.settings import GridSettings
from upt_data.arrays.source import ArraySource
from upt_data.files.categories import Categories
from upt_data.files.content import Content
from upt_data.files.dataset import Domain, FileDataset, Selection, SplitBy
from upt_data.files.handle import Handle
from upt_data.files.paths import Place, natural
from upt_data.grid_domain import grid_domain
from upt_data.splits import Fraction


class GridArrays(FileDataset):
    """Trajectories, or input and solution pairs, as named arrays on a grid."""

    def __init__(
        self,
        path: Path | list[Path],
        inputs: Annotated[list[str], Field(min_length=1)] = ["u"],  # noqa: B006 (never changed; shown in the schema)
        targets: list[str] | None = None,
        axes: list[str] | None = None,
        time: str = "t",
        steady: bool = False,
        conditions: list[str] | None = None,
        periodic: bool | list[bool] = False,
        num_trajectories: Annotated[int, Field(ge=1)] | None = None,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        space_stride: Annotated[int, Field(ge=1)] = 1,
        valid_path: Path | list[Path] | None = None,
        test_path: Path | list[Path] | None = None,
        group: str = "",
        valid_group: str | None = None,
        test_group: str | None = None,
        vectors: dict[str, list[str]] = {},  # noqa: B006
        dims: list[str] | None = None,
        trajectory: str = "trajectory",
        lengths: str | None = None,
        extent: list[PositiveFloat] | None = None,
        time_step: PositiveFloat | None = None,
        complex: Literal["refuse", "channels"] = "refuse",
        uneven: Literal["points", "index"] = "points",
        table: Path | None = None,
        split_by: SplitBy = "trajectory",
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
        history: Annotated[int, Field(ge=1)] = 1,
        holes: str | None = None,
        measure: str | None = None,
        categories: dict[str, list[str]] = {},  # noqa: B006
    ) -> None:
        """Fields (trajectories, times, *grid) or (trajectories, times, *grid, channels), by their arrays' names.

        The axes of a field are told apart by their names, where the file has them or ``dims`` gives them, else by the
        lengths of the coordinate and time arrays. The axis of trajectories may be missing: the file is one then. An
        input that is not a target may lack the times: it is constant. In a steady problem no field has times.

        Args:
            path: a file, a list of files, a pattern (``sims/*``; in ``nu_{viscosity}.npz`` the number at that place
                becomes the condition ``viscosity``), or a folder of files.
            inputs: names of the arrays that the model sees.
            targets: names of the arrays that it predicts; by default the inputs.
            axes: names of the coordinate arrays, in the order of the grid's axes; by default those of x, y, z that the
                file has.
            time: name of the array of times, numbers or dates (which become seconds since the first).
            steady: True for problems without time: one solution for each input.
            conditions: names of numbers that become conditions, such as viscosity: arrays with one number for each
                trajectory, attributes of the file, numbers in its name, columns of ``table``. By default those in the
                name and in the table.
            periodic: whether the domain wraps around; one value, or one for each axis.
            num_trajectories: use only the first trajectories of ``path``.
            time_stride: keep every n-th time step.
            space_stride: keep every n-th point of each axis.
            valid_path: files that are the whole validation split.
            test_path: files that are the whole test split.
            group: group of the file that holds the fields; a pattern (``sim_*``) takes several.
            valid_group: group that is the whole validation split.
            test_group: group that is the whole test split.
            vectors: name → arrays that are its components, such as ``velocity: [u, v]``; use the name in ``inputs``.
            dims: order of the fields' axes: ``trajectory``, the name of the time, the names of ``axes``, and
                ``channel``; for example [trajectory, x, y, t].
            trajectory: name of the axis of trajectories, if the file names its axes.
            lengths: array with the number of time steps of each trajectory; by default steps at the end with only NaN
                are cut off.
            extent: physical length of each axis, if the file has no coordinates.
            time_step: physical time from step to step, if the file has no times.
            complex: refuse complex fields, or use real and imaginary part as channels.
            uneven: how to use an unevenly spaced or curvilinear grid: as points at its coordinates; or index, as a
                regular grid of its indices, of extent 1, with the coordinates as one more input, ``coordinates``.
            table: CSV file of parameters: a column ``file`` (or ``trajectory``, or both) and one for each parameter.
            split_by: how the data are split: by trajectory, by file, or by time (the first steps of each trajectory are
                for training, the next for validation, the last for the test; this shows how well a known flow is
                continued).
            valid_fraction: share kept for validation.
            test_fraction: share kept for test.
            seed: seed of the split.
            history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10,
                The Well's 4. Use more than 1 if a single frame does not show the motion.
            holes: points without values, such as land in an ocean: they are left out, and the others become scattered
                points. ``nan``: NaN at the first time step; or a mask (array, .npy), not 0 there (``not NAME``: 0
                there).
            measure: the area or volume that each point represents, so that means are over space: an array with one
                value for each cell, or an .npy file; or ``latitude``, for a grid of degrees over a sphere. By default
                it is computed if the grid is unevenly spaced or curvilinear.
            categories: conditions that are names, with their values, such as ``material: [steel, copper]``: each value
                becomes a condition that is 1 or 0; other values are refused.
        """
        targets = list(inputs) if targets is None else list(targets)
        named = Categories(categories)
        selection = Selection(
            path,
            valid_path,
            test_path,
            split_by,
            num_trajectories,
            time_stride,
            None if conditions is None else tuple(conditions),
            table,
            valid_fraction,
            test_fraction,
            seed,
            history,
            holes,
            named,
            measure,
        )
        super().__init__(selection, inputs, targets)
        self._settings = GridSettings(
            tuple(inputs), tuple(targets), None if axes is None else tuple(axes), time, steady,
            tuple(conditions or ()), periodic, space_stride, dict(vectors), None if dims is None else tuple(dims),
            trajectory, lengths, None if extent is None else tuple(extent), time_step, complex == "channels",
            uneven == "index", selection.extras, named,
        )  # fmt: skip
        self._groups: dict[Split | None, str | None] = {None: group, "valid": valid_group, "test": test_group}

    @staticmethod
    @abstractmethod
    def opener(path: Path) -> ArraySource:
        """Opens a file of this format."""

    def _names(self, content: Content) -> tuple[tuple[str, ...], tuple[str, ...]]:
        extra = tuple(name for name in content.channels if name not in (*self._inputs, *self._targets))
        return (*self._inputs, *extra), self._targets

    def _places(self, split: Split | None) -> list[Place] | None:
        places, group = super()._places(split), self._groups.get(split)
        if places is None and group is None:
            return None
        if places is None:
            places = super()._places(None)
        assert places is not None
        main = self._groups[None] if group is None else group
        return [Place(place.path, main or "", place.parameters) for place in places]

    def _open(self, place: Place) -> list[Content]:
        handle: Handle[ArraySource] = Handle(place.path, self.opener)
        source = handle.get()
        try:
            return [FileReading(part, source, self._settings).content(handle) for part in _groups_of(place, source)]
        finally:
            handle.close()

    def _domain(self, contents: Sequence[Content]) -> Domain:
        return grid_domain(contents, lambda num_axes: self._settings.wraps(num_axes, self._selection.name))


def _groups_of(place: Place, source: ArraySource) -> list[Place]:
    """The place itself, or one for each group that fits its pattern, in natural order."""
    if "*" not in place.group:
        return [place]
    depth = place.group.count("/") + 1
    groups = {"/".join(name.split("/")[:depth]) for name in source.names() if name.count("/") >= depth}
    found = sorted((Path(group) for group in groups if fnmatch(group, place.group)), key=natural)
    if not found:
        raise DataError(f"{place.path}: no group fits {place.group!r}; found: {source.described()}")
    return [Place(place.path, group.as_posix(), place.parameters) for group in found]
