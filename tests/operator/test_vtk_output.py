"""Answers for ParaView: opened by meshio, and by VTK's own readers where they are installed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upt_core import UserError
from upt_core.operator.answers import Answers
from upt_core.operator.output import write

meshio = pytest.importorskip("meshio", reason="files for ParaView need meshio")
ABOUT = {"operator": "run", "operator_digest": "0123", "input": "new.npz", "command": "upt predict -o a--b"}


def plane(samples: int = 1, steps: int = 3) -> Answers:
    """A scalar and a vector on a grid of 4 x 3 points over [0, 3] x [0, 4]."""
    x, y = np.meshgrid(np.arange(4.0), 2 * np.arange(3.0), indexing="ij")
    t = np.arange(1.0, steps + 1)
    p = np.arange(samples)[:, None, None, None] + t[:, None, None] * (x + 10 * y)
    return Answers({"p": p, "v": np.stack([p, -p], -1)}, np.stack([x, y], -1).reshape(-1, 2), (4, 3), 0.5 * t)


def test_a_series_has_times_cells_vectors_and_its_origin() -> None:
    write(plane(samples=2), Path("out/flow.pvd"), ABOUT)
    assert sorted(str(p) for p in Path("out").rglob("*.*")) == [
        "out/flow-1.pvd", "out/flow.pvd", *(f"out/flow/{s}-000{k}.vtu" for s in (0, 1) for k in (1, 2, 3)),
    ]  # fmt: skip
    text = Path("out/flow.pvd").read_text()
    sets = ET.fromstring(text).findall(".//DataSet")
    assert [float(one.attrib["timestep"]) for one in sets] == [0.5, 1.0, 1.5]
    assert "operator_digest: 0123" in text
    mesh = meshio.read(Path("out") / sets[2].attrib["file"])
    assert [(block.type, block.data.shape) for block in mesh.cells] == [("quad", (6, 4))]
    np.testing.assert_allclose(mesh.point_data["p"], plane().fields["p"][0, 2].ravel())
    np.testing.assert_allclose(mesh.point_data["v"][:, 1], -plane().fields["p"][0, 2].ravel())
    assert mesh.point_data["v"].shape == (12, 3)
    corners = mesh.points[mesh.cells[0].data]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0])[:, 2]
    np.testing.assert_allclose(area, 2.0)
    assert "operator_digest: 0123" in Path("out/flow/0-0001.vtu").read_text()
    other = meshio.read("out/flow/1-0001.vtu").point_data["p"]
    np.testing.assert_allclose(other, 1 + plane().fields["p"][0, 0].ravel())


def test_lines_hexahedra_and_scattered_points() -> None:
    x = np.arange(5.0)[:, None]
    write(Answers({"u": x.T}, x, (5,), None), Path("line.vtu"), ABOUT)
    assert meshio.read("line.vtu").cells[0].data.shape == (4, 2)
    grid = np.stack(np.meshgrid(*[np.arange(3.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
    write(Answers({"u": grid[None, :, 0].reshape(1, 3, 3, 3)}, grid, (3, 3, 3), None), Path("box.vtk"), ABOUT)
    mesh = meshio.read("box.vtk")
    assert mesh.cells[0].data.shape == (8, 8)
    a, b, _, d, e = (mesh.points[mesh.cells[0].data[:, k]] for k in range(5))
    np.testing.assert_allclose(np.sum(np.cross(b - a, d - a) * (e - a), axis=1), 1.0)
    assert b"operator run; operator_digest 0123" in Path("box.vtk").read_bytes().split(b"\n")[1]
    cloud = np.random.default_rng(0).random((2, 7, 2))
    write(Answers({"u": cloud[..., 0]}, cloud, None, None), Path("cloud.pvd"), ABOUT)
    second = meshio.read("cloud/1-0001.vtu")
    np.testing.assert_allclose(second.points[:, :2], cloud[1])
    assert second.cells[0].type == "vertex"


def test_the_cells_of_a_mesh_are_kept() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    cells = [("triangle", np.array([[0, 1, 2], [1, 3, 2]]))]
    meshio.Mesh(points, cells, point_data={"p": np.arange(4.0)}).write("in.vtu")
    about = {**ABOUT, "input": "in.vtu"}
    write(Answers({"p": np.arange(4.0)[None]}, points[:, :2], None, None), Path("nodes.vtu"), about)
    found = meshio.read("nodes.vtu")
    np.testing.assert_array_equal(found.cells[0].data, cells[0][1])
    centres = points[cells[0][1]].mean(1)[:, :2]
    write(Answers({"p": np.array([[5.0, 6.0]])}, centres, None, None), Path("cells.vtu"), about)
    found = meshio.read("cells.vtu")
    np.testing.assert_allclose(found.cell_data["p"][0], [5, 6])
    assert len(found.points) == 4


def test_one_mesh_holds_one_time_step() -> None:
    with pytest.raises(
        UserError, match=r"\.vtu files hold one mesh, but there are 1 samples and 3 time steps; write a"
    ):
        write(plane(), Path("a.vtu"), ABOUT)
    assert not list(Path().glob("*.vtu"))


def test_paraviews_own_readers_open_them() -> None:
    io: Any = pytest.importorskip("vtkmodules.vtkIOXML", reason="VTK's readers are tried where vtk is installed")
    legacy: Any = pytest.importorskip("vtkmodules.vtkIOLegacy")
    write(plane(), Path("flow.pvd"), ABOUT)
    write(plane(steps=1), Path("flow.vtk"), ABOUT)
    for reader, path in (
        (io.vtkXMLUnstructuredGridReader(), "flow/0-0001.vtu"),
        (legacy.vtkUnstructuredGridReader(), "flow.vtk"),
    ):
        reader.SetFileName(path)
        reader.Update()
        grid = reader.GetOutput()
        assert (grid.GetNumberOfPoints(), grid.GetNumberOfCells()) == (12, 6)
        data = grid.GetPointData()
        assert data.GetArray("v").GetNumberOfComponents() == 3
        assert data.GetArray("p").GetValue(4) == plane().fields["p"][0, 0].ravel()[4]
