"""Meshes through meshio (VTU, VTK, XDMF, CGNS, Exodus, Gmsh, …): values at nodes or in cells, steady or in time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from upt_core import DataError
from upt_data.files.categories import Categories
from upt_data.files.content import Content
from upt_data.files.dataset import Domain, FileDataset, Selection, SplitBy
from upt_data.files.paths import Place
from upt_data.mesh_files import MeshContent, MeshSettings, mesh_frames, named_in, open_mesh
from upt_data.point_domain import PointDomain
from upt_data.splits import Fraction


class Mesh(FileDataset):
    """Reads meshes through meshio; the nodes (or the cells' centres) are the points.

    In a time-dependent problem, a trajectory is a folder with one mesh file for each time step, in the natural order of
    their names, or an XDMF time series; the mesh must not move. In a steady problem each file is a case with its own
    mesh. Axes along which all points agree (such as z of a plane mesh) are left out. Needs ``pip install
    'upt-core[mesh]'``.

    Args:
        path: a file, a folder of files (one trajectory) or of folders, a list or a pattern (the number at ``{name}``
            becomes the condition of this name).
        inputs: names of the fields that the model sees; ``coordinates`` stands for the points themselves.
        targets: names of the fields that it predicts; by default the inputs.
        location: where the fields are: point, at the nodes; cell, in the cells, with the cell centres as points.
        steady: True for problems without time: one solution in each file.
        time_step: physical time from file to file; XDMF time series have their own times.
        conditions: numbers in the names or columns of ``table`` that become conditions; by default all.
        extent: physical length of each axis; by default that of the points' bounding box.
        origin: lower corner of the domain; give it together with extent.
        periodic: whether the domain wraps around; if so, give extent and origin.
        num_trajectories: use only the first trajectories of ``path``.
        time_stride: keep every n-th time step.
        valid_path: files that are the whole validation split.
        test_path: files that are the whole test split.
        table: CSV file of parameters: a column ``file`` with names of files or folders, and one for each parameter.
        split_by: how the data are split: by trajectory, or by time (the first steps of each trajectory are for
            training).
        valid_fraction: share kept for validation.
        test_fraction: share kept for test.
        seed: seed of the split.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
        holes: points without values, such as land in an ocean: they are left out, and the others become scattered
            points. ``nan``: NaN at the first time step; or a mask (.npy file), not 0 there (``not NAME``: 0 there).
        measure: the area or volume that each point represents: an .npy file with one value for each, instead of those
            computed from the mesh.
        categories: conditions that are names, with their values, such as ``material: [steel, copper]``: each value
            becomes a condition that is 1 or 0; other values are refused.
    """

    suffixes = (".vtu", ".vtk", ".xdmf", ".xmf", ".cgns", ".e", ".exo", ".ex2", ".msh", ".med")
    what = "mesh file, or a folder of mesh files"

    def __init__(
        self,
        path: Path | list[Path],
        inputs: Annotated[list[str], Field(min_length=1)] = ["u"],  # noqa: B006 (never changed; shown in the schema)
        targets: list[str] | None = None,
        location: Literal["point", "cell"] = "point",
        steady: bool = False,
        time_step: PositiveFloat = 1.0,
        conditions: list[str] | None = None,
        extent: list[float] | None = None,
        origin: list[float] | None = None,
        periodic: bool | list[bool] = False,
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
        names = tuple(dict.fromkeys([*inputs, *targets]))
        self._settings = MeshSettings(names, location == "cell", steady, time_step)
        self._given_domain = PointDomain(extent, origin, periodic)

    def _is_one(self, path: Path) -> bool:
        if path.is_file():
            return path.suffix.lower() in self.suffixes
        return not self._settings.steady and bool(mesh_frames(path, self.suffixes))

    def _frames(self, place: Place) -> list[Path]:
        return [place.path] if place.path.is_file() else mesh_frames(place.path, self.suffixes)

    def _files_of(self, place: Place) -> list[Path]:
        return [path for frame in self._frames(place) for path in (frame, *named_in(frame))]

    def _open(self, place: Place) -> list[Content]:
        frames = self._frames(place)
        return [open_mesh(place, frames, self._settings)]

    def _domain(self, contents: Sequence[Content]) -> Domain:
        meshes = [content for content in contents if isinstance(content, MeshContent)]
        axes = {mesh.axes for mesh in meshes}
        if len(axes) > 1:
            raise DataError(
                f"{self._selection.name}: some meshes are flat along an axis and others are not; use meshes of one kind"
            )
        return self._given_domain.around((mesh.points(0) for mesh in meshes), self._selection.name)
