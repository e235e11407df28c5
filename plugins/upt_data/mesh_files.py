"""Mesh files through meshio: the points and fields of each time step."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from upt_core import DataError, node_measure, simplex_measure
from upt_data.arrays.extra import library
from upt_data.arrays.grid_content import STEADY_TIMES
from upt_data.checks import Array
from upt_data.files.content import Content, Values
from upt_data.files.handle import Handle
from upt_data.files.paths import Place, natural
from upt_data.foreign import reading
from upt_data.places import places

COORDINATES = "coordinates"
"""Name of the points themselves as an input field."""


MOST_KEPT = 8
SIMPLICES: dict[str, list[list[int]]] = {
    "vertex": [[0]],
    "line": [[0, 1]],
    "triangle": [[0, 1, 2]],
    "quad": [[0, 1, 2], [0, 2, 3]],
    "tetra": [[0, 1, 2, 3]],
}
"""The simplices of which cells consist, by meshio's names; the numbers are those of the cell's nodes."""


@dataclass(frozen=True)
class MeshSettings:
    """What is read of each file; see ``Mesh`` for each."""

    fields: tuple[str, ...]
    in_cells: bool
    steady: bool
    time_step: float


@dataclass(frozen=True)
class MeshFrame:
    """A mesh of one time: points (N, 3), fields (N, C) at them, and the areas or volumes of their cells (N,)."""

    points: Values
    fields: dict[str, Values]
    measure: Tensor | None


def mesh_frames(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The mesh files of a folder, in natural order."""
    found = [item for item in folder.iterdir() if item.suffix.lower() in suffixes] if folder.is_dir() else []
    return sorted(found, key=natural)


def named_in(path: Path) -> list[Path]:
    """The HDF5 files beside an XDMF file that hold its values; other formats are one file."""
    if path.suffix.lower() not in (".xdmf", ".xmf"):
        return []
    names = re.findall(rb">\s*([^<>:]+\.h5):/", path.read_bytes())
    return sorted({path.parent / name.decode() for name in names})


def open_mesh(place: Place, frames: list[Path], settings: MeshSettings) -> MeshContent:
    """A trajectory of mesh files, or one steady case.

    Raises:
        DataError: meshio is not installed, a file is damaged, or a field is missing.
    """
    series = _series_times(frames[0]) if len(frames) == 1 and not settings.steady else None
    first = _frame(frames[0], settings, 0, is_series=series is not None)
    num_times = len(frames) if series is None else len(series)
    if not settings.steady and num_times < 2:
        raise DataError(
            f"{place.path}: holds 1 time step; name a folder with one file for each time step, name an XDMF time "
            "series, or set steady: true"
        )
    times = STEADY_TIMES if settings.steady else np.arange(num_times) * settings.time_step if series is None else series
    return MeshContent(place, frames, settings, first, times, series is not None)


class MeshContent(Content):
    """One trajectory (or case) on a mesh that does not move.

    Args:
        place: the file or folder.
        frames: the file of each time step, or the one file of a series.
        settings: what is read.
        first: its first mesh.
        times: of the steps.
        is_series: whether one file holds all steps.
    """

    def __init__(
        self,
        place: Place,
        frames: list[Path],
        settings: MeshSettings,
        first: MeshFrame,
        times: Array,
        is_series: bool,
    ) -> None:
        channels = {name: first.fields[name].shape[1] for name in settings.fields if name != COORDINATES}
        low, high = first.points.min(0), first.points.max(0)
        self.axes = tuple(int(axis) for axis in np.flatnonzero(high > low))
        if COORDINATES in settings.fields:
            channels[COORDINATES] = len(self.axes)
        super().__init__(place, 1, channels, settings.steady)
        self._frames = frames
        self._settings = settings
        self._points = np.ascontiguousarray(first.points[:, self.axes], dtype=np.float64)
        self._measure = first.measure
        self._times = times
        self._is_series = is_series
        self._handles = {path: Handle(path, _nothing) for path in frames}
        self._last: dict[int, MeshFrame] = {}

    def times(self, number: int) -> Array:
        """Times of the steps."""
        return self._times

    def points(self, number: int) -> Tensor:
        """The nodes, or the cells' centres."""
        return places(torch.from_numpy(self._points))

    def measure(self, number: int) -> Tensor | None:
        """Areas or volumes of the cells; None where the mesh has others than triangles, quadrilaterals, tetrahedra."""
        return self._measure

    def num_points(self, number: int) -> int:
        """How many there are."""
        return len(self._points)

    @property
    def num_point_sets(self) -> int:
        """Every file has its own."""
        return 1

    def read(self, field: str, number: int, steps: slice) -> Values:
        """Steps of a field."""
        if field == COORDINATES:
            return self._points[None]
        return np.stack([self._at(step).fields[field] for step in range(len(self._times))[steps]])

    def _at(self, step: int) -> MeshFrame:
        """The mesh of a step; the last few are kept, since fields are asked for one after the other."""
        if step not in self._last:
            if len(self._last) >= MOST_KEPT:
                self._last.pop(next(iter(self._last)))
            self._last[step] = self._read(step)
        return self._last[step]

    def _read(self, step: int) -> MeshFrame:
        path = self._frames[0 if self._is_series else step]
        self._handles[path].get()
        frame = _frame(path, self._settings, step, self._is_series)
        if frame.points.shape[0] != len(self._points) or not np.allclose(
            frame.points[:, self.axes], self._points, rtol=0, atol=1e-6 * float(np.ptp(self._points))
        ):
            raise DataError(
                f"{path}: its points differ from those of {self._frames[0]}, but the mesh must not move; interpolate "
                "to one mesh"
            )
        return frame


class _Nothing:
    def close(self) -> None:
        """There is nothing to close."""


def _nothing(path: Path) -> _Nothing:
    """meshio opens files itself; a handle is kept only to notice that one changed."""
    return _Nothing()


def _meshio(path: Path) -> Any:
    return library("meshio", "mesh", f"{path}: reading a mesh")


def _series_times(path: Path) -> Array | None:
    """The times of an XDMF time series; None for other files."""
    if path.suffix.lower() not in (".xdmf", ".xmf"):
        return None
    meshio = _meshio(path)
    try:
        with meshio.xdmf.TimeSeriesReader(path) as reader:
            reader.read_points_cells()
            times = [float(reader.read_data(step)[0]) for step in range(reader.num_steps)]
    except Exception:  # one mesh without times, which is read as such
        return None
    return np.array(times) if len(times) > 1 else None


def _frame(path: Path, settings: MeshSettings, step: int, is_series: bool) -> MeshFrame:
    meshio = _meshio(path)
    cure = "it is damaged or of another format; write it again"
    with (
        reading(f"{path}: not a mesh file that meshio reads", cure),
        redirect_stderr(io.StringIO()),
    ):  # it prints what it raises
        if is_series:
            with meshio.xdmf.TimeSeriesReader(path) as reader:
                points, cells = reader.read_points_cells()
                _, point_data, cell_data = reader.read_data(step)
            mesh = meshio.Mesh(points, cells, point_data, cell_data)
        else:
            mesh = meshio.read(path)
    _check_cells(path, mesh)
    return _chosen(path, mesh, settings)


def _check_cells(path: Path, mesh: Any) -> None:
    """Refuses cells between nodes that are not there; a negative number would stand for a node counted from the end."""
    for block in mesh.cells:
        numbers = np.asarray(block.data) if isinstance(block.data, np.ndarray) else np.zeros(0)
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < len(mesh.points)):
            wrong = numbers.min() if numbers.min() < 0 else numbers.max()
            raise DataError(
                f"{path}: a cell of type {block.type} names the node {wrong}, but there are {len(mesh.points)} nodes, "
                "counted from 0; the file is damaged; write it again"
            )


def _chosen(path: Path, mesh: Any, settings: MeshSettings) -> MeshFrame:
    """The fields that are asked for, at the nodes or at the cells' centres."""
    data = mesh.cell_data if settings.in_cells else mesh.point_data
    other = mesh.point_data if settings.in_cells else mesh.cell_data
    missing = [name for name in settings.fields if name not in data and name != COORDINATES]
    if missing:
        place = "in cells" if settings.in_cells else "at points"
        elsewhere = f"; on the other location: {', '.join(other)} (see 'location')" if other else ""
        raise DataError(
            f"{path}: there is no field {' or '.join(map(repr, missing))} {place}; found: "
            f"{', '.join(data) or 'none'}{elsewhere}"
        )
    points = np.asarray(mesh.points, dtype=np.float64)
    if settings.in_cells:
        points = np.concatenate([points[block.data].mean(axis=1) for block in mesh.cells])
    fields = {}
    for name in settings.fields:
        if name != COORDINATES:
            value = np.concatenate(data[name]) if settings.in_cells else np.asarray(data[name])
            if value.dtype.kind not in "fiub":
                raise DataError(f"{path}, {name!r} holds {value.dtype}; store real numbers")
            fields[name] = value.reshape(len(value), -1)
    return MeshFrame(points, fields, mesh_measure(mesh, settings.in_cells))


def mesh_measure(mesh: Any, in_cells: bool) -> Tensor | None:
    """Areas or volumes of a mesh's cells, or what of them belongs to each node, (N,) float64.

    Simplices of the highest dimension count, quadrilaterals as two triangles. None where a mesh has cells of another
    kind. Nodes that belong to no cell have 0.
    """
    blocks = [
        (SIMPLICES.get(block.type), torch.from_numpy(np.asarray(block.data, dtype=np.int64))) for block in mesh.cells
    ]
    most = max((len(parts[0]) for parts, _ in blocks if parts is not None), default=0)
    if not blocks or any(parts is None or (in_cells and len(parts[0]) < most) for parts, _ in blocks):
        return None
    nodes_NX = torch.from_numpy(np.asarray(mesh.points, dtype=np.float64))
    whole = [(parts, cells_MK) for parts, cells_MK in blocks if parts is not None and len(parts[0]) == most]
    if in_cells:
        areas = [sum(simplex_measure(nodes_NX, cells_MK[:, part]) for part in parts) for parts, cells_MK in whole]
        measure_N = torch.cat([torch.as_tensor(area) for area in areas])
    else:
        corners_MK = torch.cat([cells_MK[:, part] for parts, cells_MK in whole for part in parts])
        measure_N = node_measure(nodes_NX, corners_MK)
    return measure_N
