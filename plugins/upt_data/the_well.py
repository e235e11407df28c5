"""The Well's HDF5 files: fields by tensor rank, parameters, boundary conditions and splits, as the format has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from upt_core import DataError, Split
from upt_data.arrays.hdf5 import open_hdf5_arrays
from upt_data.arrays.source import ArraySource
from upt_data.files.categories import Categories
from upt_data.files.content import Content
from upt_data.files.dataset import Domain, FileDataset, Selection, SplitBy, those_predicted
from upt_data.files.handle import Handle
from upt_data.files.paths import Place, find_files
from upt_data.grid_domain import grid_domain, stride_at
from upt_data.splits import Fraction
from upt_data.the_well_layout import WellFile


class TheWell(FileDataset):
    """Reads the files of The Well (arXiv:2412.00568): HDF5 with ``t0_fields``, ``t1_fields`` and ``t2_fields``.

    Fields that change in time are inputs and targets; the others are inputs. A vector field has a channel for each
    component, a tensor field one for each pair. Numbers in ``scalars`` that do not change in time become conditions. An
    axis is periodic if the file says PERIODIC for it. Trajectories may be in many files.

    Args:
        path: the folder of a data set, with ``data/train``, ``data/valid`` and ``data/test``; or a file, a list, a
            pattern or a folder of files. Splits without a folder get trajectories of the others.
        fields: names of the fields that are used; by default all.
        targets: names of the fields that are predicted; the others are given, such as a forcing. By default all that
            change in time.
        conditions: names of scalars that become conditions; by default all that do not change in time.
        num_trajectories: use only the first trajectories of ``path``.
        time_stride: keep every n-th time step.
        space_stride: keep every n-th point of each axis.
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
            points. ``nan``: NaN at the first time step; or a mask (field, boundary), not 0 there (``not NAME``: 0
            there).
        measure: the area or volume that each point represents, so that means are over space: a scalar field, or an .npy
            file, with one value for each cell. By default it is computed if the grid is unevenly spaced.
        categories: conditions that are names, with their values, such as ``material: [steel, copper]``: each value
            becomes a condition that is 1 or 0; other values are refused.
    """

    suffixes = (".hdf5", ".h5")

    def __init__(
        self,
        path: Path | list[Path],
        fields: list[str] | None = None,
        targets: Annotated[list[str], Field(min_length=1)] | None = None,
        conditions: list[str] | None = None,
        num_trajectories: Annotated[int, Field(ge=1)] | None = None,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        space_stride: Annotated[int, Field(ge=1)] = 1,
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
        selection = Selection(
            path, valid_path, test_path, split_by, num_trajectories, time_stride, conditions, table, valid_fraction,
            test_fraction, seed, history, holes, Categories(categories), measure,
        )  # fmt: skip
        super().__init__(selection, (), ())
        self._fields = None if fields is None else tuple(fields)
        self._predicted = targets
        self._space_stride = space_stride
        self._extras = selection.extras
        self._files: dict[str, WellFile] = {}

    def _places(self, split: Split | None) -> list[Place] | None:
        root = self._root
        if (
            root is None
            or (split == "valid" and self._selection.valid_path)
            or (split == "test" and self._selection.test_path)
        ):
            return super()._places(split)
        if split == "train":
            return None
        folder = root / "data" / (split or "train")
        if split is not None and not folder.is_dir():
            return None
        return find_files(folder, self.suffixes, self._is_one)

    @property
    def _root(self) -> Path | None:
        """The folder of a whole data set, where ``path`` is one."""
        path = self._selection.path
        root = Path(path).expanduser() if isinstance(path, Path | str) else None
        return root if root is not None and (root / "data" / "train").is_dir() else None

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """Another ``space_stride``, where it leaves so many points of the files' grid."""
        return stride_at(self.contents, grid_shape)

    def _open(self, place: Place) -> list[Content]:
        handle: Handle[ArraySource] = Handle(place.path, open_hdf5_arrays)
        try:
            file = WellFile(place, handle.get(), self._space_stride, self._fields, self._extras)
            self._files[place.name] = file
            return [file.content(handle, self._selection.conditions)]
        finally:
            handle.close()

    def _names(self, content: Content) -> tuple[tuple[str, ...], tuple[str, ...]]:
        file = self._files[content.place.name]
        return file.moving + file.constant, those_predicted(file.moving, self._predicted, content.place.name)

    def _domain(self, contents: Sequence[Content]) -> Domain:
        first = self._files[contents[0].place.name]
        for content in contents:
            wraps = self._files[content.place.name].wraps
            if wraps != first.wraps:
                raise DataError(
                    f"{content.place.name}: has periodic axes {wraps}, but {contents[0].place.name} has {first.wraps}; "
                    f"use files of one problem"
                )
        return grid_domain(contents, lambda num_axes: first.wraps)
