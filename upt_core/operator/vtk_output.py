"""Answers → what ParaView reads: a mesh file for each time step, and a .pvd with their times, through meshio."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from upt_core.errors import UserError
from upt_core.operator.answers import Answers
from upt_core.operator.prediction import Array

MESHES = (".vtu", ".vtk", ".xdmf", ".xmf", ".cgns", ".e", ".exo", ".ex2", ".msh", ".med")
"""Inputs whose cells are kept, where the answers are at their points or in their cells."""

Cells = list[tuple[str, Array]]


def meshio_for(path: Path) -> Any:
    """meshio, or how to get it.

    Raises:
        UserError: it is not installed.
    """
    try:
        import meshio  # type: ignore[import-untyped]
    except ImportError as error:
        raise UserError(f"{path}: files for ParaView need meshio; pip install 'upt-core[mesh]'") from error
    return meshio


def write_series(answers: Answers, path: Path, about: Mapping[str, str]) -> None:
    """Writes ``path`` (.pvd) of the first sample, ``NAME-1.pvd`` and so on of the others; their meshes in ``NAME/``.

    The .pvd of a sample is written after its meshes, that of the first sample last of all.
    """
    name = path.stem.removeprefix(".").removesuffix(".part")
    folder = path.parent / name
    folder.mkdir(parents=True, exist_ok=True)
    cells = _cells(answers, about)
    times = [0.0] if answers.times is None else None
    for sample in reversed(range(answers.samples)):
        own = times if times is not None else _times(answers)[sample].tolist()
        files = []
        for step in range(len(own)):
            file = folder / f"{sample}-{step + 1:04d}.vtu"
            _mesh_file(answers, file, about, cells, sample, step)
            files.append(f"{name}/{file.name}")
        target = path if sample == 0 else path.with_name(f"{name}-{sample}.pvd")
        target.write_text(_collection(files, own, about), encoding="utf-8")


def write_mesh(answers: Answers, path: Path, about: Mapping[str, str]) -> None:
    """Writes one sample at one time step.

    Raises:
        UserError: there are more.
    """
    steps = 1 if answers.times is None else answers.times.shape[-1]
    if answers.samples > 1 or steps > 1:
        raise UserError(
            f"{path.suffix} files hold one mesh, but there are {answers.samples} samples and {steps} time steps; "
            f"write a .pvd, which names a mesh file for each"
        )
    _mesh_file(answers, path, about, _cells(answers, about), 0, 0)


def _times(answers: Answers) -> Array:
    assert answers.times is not None
    return np.broadcast_to(answers.times, (answers.samples, answers.times.shape[-1]))


def _mesh_file(
    answers: Answers, path: Path, about: Mapping[str, str], known: tuple[Array, Cells, bool], sample: int, step: int
) -> None:
    points_N3, cells, in_cells = known
    if answers.coords.ndim == 3 and not in_cells:
        points_N3 = _in_space(answers.coords[sample])
    values = {}
    for name, value in answers.fields.items():
        one = value[sample] if answers.times is None else value[sample, step]
        values[name] = _value(_by_axis(answers, name, one), answers.coords.shape[-1])
    data: dict[str, Any] = {"point_data": values}
    if in_cells:
        ends = np.cumsum([len(block) for _, block in cells])[:-1]
        data = {"cell_data": {name: np.split(value, ends) for name, value in values.items()}}
    part = path.with_name(f".{path.stem}.writing{path.suffix}")
    mesh = meshio_for(path).Mesh(points_N3, cells, **data)
    mesh.write(part, file_format="vtk" if path.suffix == ".vtk" else "vtu")
    _sign(part, about)
    os.replace(part, path)


def _by_axis(answers: Answers, name: str, value: Array) -> Array:
    """Channels (Q, C) of a field; those of a vector in the order of the axes, as the coordinates are."""
    value_QC, along = value.reshape(answers.num_points, -1), answers.along.get(name, ())
    return value_QC[:, np.argsort(along)] if along else value_QC


def _value(value_QC: Array, axes: int) -> Array:
    """A scalar (Q,), a vector with three components as VTK has them, or other channels as they are."""
    if value_QC.shape[1] == 1:
        return value_QC[:, 0]
    return _in_space(value_QC) if value_QC.shape[1] == axes else value_QC


def _in_space(value_QX: Array) -> Array:
    """Coordinates or vectors with three components; those that are missing are 0."""
    return np.pad(value_QX, ((0, 0), (0, 3 - value_QX.shape[1]))).astype(np.float64)


def _cells(answers: Answers, about: Mapping[str, str]) -> tuple[Array, Cells, bool]:
    """Points (N, 3), cells, and whether the answers are in the cells rather than at the points."""
    points_Q3 = _in_space(answers.coords if answers.coords.ndim == 2 else answers.coords[0])
    if answers.grid_shape is not None:
        return points_Q3, _grid_cells(answers.grid_shape), False
    mesh = _mesh_of(Path(about["input"]))
    if mesh is not None and len(mesh.points) == len(points_Q3):
        return points_Q3, [(block.type, block.data) for block in mesh.cells], False
    if mesh is not None and sum(len(block.data) for block in mesh.cells) == len(points_Q3):
        return _in_space(mesh.points), [(block.type, block.data) for block in mesh.cells], True
    return points_Q3, [("vertex", np.arange(len(points_Q3))[:, None])], False


def _grid_cells(shape: tuple[int, ...]) -> Cells:
    """Lines, quadrilaterals or hexahedra between the points of a row-major grid."""
    number = np.arange(int(np.prod(shape))).reshape(shape)
    low, high = slice(None, -1), slice(1, None)
    if len(shape) == 1:
        return [("line", np.stack([number[low], number[high]], axis=-1))]
    around = ((low, low), (high, low), (high, high), (low, high))
    if len(shape) == 2:
        return [("quad", np.stack([number[corner].ravel() for corner in around], axis=-1))]
    corners = [(*corner, z) for z in (low, high) for corner in around]
    return [("hexahedron", np.stack([number[corner].ravel() for corner in corners], axis=-1))]


def _mesh_of(path: Path) -> Any:
    """The mesh of an input: the file, or the first of a folder; None for other inputs."""
    files = sorted(item for item in path.iterdir() if item.suffix.lower() in MESHES) if path.is_dir() else [path]
    if not files or files[0].suffix.lower() not in MESHES or not files[0].is_file():
        return None
    return meshio_for(path).read(files[0])


def _sign(path: Path, about: Mapping[str, str]) -> None:
    """Writes where the answers come from into the file: a comment of XML, or the title of a legacy file."""
    first, second, rest = path.read_bytes().split(b"\n", 2)
    if path.suffix == ".vtk":
        second = "; ".join(f"{key} {value}" for key, value in about.items()).replace("\n", " ").encode()[:255]
    else:
        first = first + b"\n" + _comment(about).encode()
    path.write_bytes(b"\n".join([first, second, rest]))


def _comment(about: Mapping[str, str]) -> str:
    lines = "\n".join(f"  {key}: {value}" for key, value in about.items()).replace("--", "- -")
    return f"<!--\n{lines}\n-->"


def _collection(files: list[str], times: list[float], about: Mapping[str, str]) -> str:
    rows = [f'    <DataSet timestep="{t!r}" part="0" file={quoteattr(f)}/>' for f, t in zip(files, times, strict=True)]
    head = f'<?xml version="1.0"?>\n{_comment(about)}\n<VTKFile type="Collection" version="0.1">\n  <Collection>'
    return "\n".join([head, *rows, "  </Collection>", "</VTKFile>", ""])
