"""Trajectories at scattered points, as a ragged numpy archive: all points in a row, and where each trajectory ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from upt_core import DataError
from upt_data.files.categories import Categories
from upt_data.files.content import Content
from upt_data.files.dataset import Domain, FileDataset, Selection, SplitBy
from upt_data.files.paths import Place
from upt_data.point_domain import PointDomain
from upt_data.ragged import DISPLACEMENT, RaggedSettings, open_any, read_ragged
from upt_data.splits import Fraction


class PointClouds(FileDataset):
    """Reads archives of scattered points; each trajectory has its own points, and their number may differ.

    Trajectory i has the rows ptr[i] to ptr[i + 1] of the positions (rows, axes) and of the fields, which are (rows,
    times) or (rows, times, channels). An input that is not a target may be (rows,) or (rows, channels): it is constant.
    In a steady problem no field has times. Files are .npz, HDF5 or zarr, identified by their extensions.

    Args:
        path: the file; or a list, a pattern (the number at ``{name}`` becomes the condition of this name) or a folder.
        inputs: names of the arrays that the model sees.
        targets: names of the arrays that it predicts; by default the inputs.
        positions: name of the array of positions.
        offsets: name of the array of row numbers where trajectories begin and end, one longer than their number.
        time: name of the array of times.
        steady: True for problems without time: one solution for each input.
        conditions: names of numbers that become conditions, such as viscosity: arrays with one number for each
            trajectory, attributes of the file, numbers in its name, columns of ``table``. By default those in the name
            and table.
        extent: physical length of each axis; by default that of the points' bounding box.
        origin: lower corner of the domain; give it together with extent.
        periodic: whether the domain wraps around; if so, give extent and origin.
        moving: how to use positions (rows, times, axes) of moving points: refuse them; or displacement: the
            displacement from each point's first position is one more field, input and target, at the points' first
            positions.
        num_trajectories: use only the first trajectories of ``path``.
        time_stride: keep every n-th time step.
        valid_path: files that are the whole validation split.
        test_path: files that are the whole test split.
        table: CSV file of parameters: a column ``file`` (or ``trajectory``, or both) and one for each parameter.
        split_by: how the data are split: by trajectory, by file, or by time (the first steps of each trajectory are for
            training).
        valid_fraction: share kept for validation.
        test_fraction: share kept for test.
        seed: seed of the split.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
        holes: points without values, such as land in an ocean: they are left out, and the others become scattered
            points. ``nan``: NaN at the first time step; or a mask (array, .npy), not 0 there (``not NAME``: 0 there).
        measure: the area or volume that each point represents, so that means are over space: an array with one value
            for each row, or an .npy file.
        categories: conditions that are names, with their values, such as ``material: [steel, copper]``: each value
            becomes a condition that is 1 or 0; other values are refused.
    """

    suffixes = (".npz", ".h5", ".hdf5", ".zarr")

    def __init__(
        self,
        path: Path | list[Path],
        inputs: Annotated[list[str], Field(min_length=1)] = ["u"],  # noqa: B006 (never changed; shown in the schema)
        targets: list[str] | None = None,
        positions: str = "pos",
        offsets: str = "ptr",
        time: str = "t",
        steady: bool = False,
        conditions: list[str] | None = None,
        extent: list[float] | None = None,
        origin: list[float] | None = None,
        periodic: bool | list[bool] = False,
        moving: Literal["refuse", "displacement"] = "refuse",
        num_trajectories: Annotated[int, Field(ge=1)] | None = None,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        valid_path: Path | list[Path] | None = None,
        test_path: Path | list[Path] | None = None,
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
        named = Categories(categories)
        selection = Selection(
            path, valid_path, test_path, split_by, num_trajectories, time_stride, conditions, table, valid_fraction,
            test_fraction, seed, history, holes, named, measure,
        )  # fmt: skip
        targets = list(inputs) if targets is None else list(targets)
        super().__init__(selection, inputs, targets)
        self._settings = RaggedSettings(
            tuple(inputs), tuple(targets), positions, offsets, None if steady else time, tuple(conditions or ()),
            moving == "displacement", selection.extras, named,
        )  # fmt: skip
        self._given_domain = PointDomain(extent, origin, periodic)

    def _is_one(self, path: Path) -> bool:
        return path.is_file() or (path.is_dir() and path.suffix == ".zarr")

    def _open(self, place: Place) -> list[Content]:
        return [read_ragged(place, open_any, self._settings)]

    def _names(self, content: Content) -> tuple[tuple[str, ...], tuple[str, ...]]:
        extra = (DISPLACEMENT,) if DISPLACEMENT in content.channels else ()
        return (*self._inputs, *extra), (*self._targets, *extra)

    def _domain(self, contents: Sequence[Content]) -> Domain:
        where = f"{self._selection.name}, {self._settings.positions!r}"
        clouds = (content.points(number) for content in contents for number in range(content.num))
        found = self._given_domain.around(clouds, where)
        if any(content.points(0).shape[1] != len(found.extent) for content in contents):
            raise DataError(f"{where}: the files have points of different numbers of axes; use files of one problem")
        return found
