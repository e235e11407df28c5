"""mesh: files that meshio writes, at nodes and in cells, steady and in time, and what is wrong with others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upt_core import DataError, Trajectory
from upt_data.mesh import Mesh

meshio = pytest.importorskip("meshio")
RNG = np.random.default_rng(0)
POINTS = np.column_stack([RNG.random((9, 2)), np.full(9, 3.0)])
CELLS = [("triangle", np.array([[0, 1, 2], [3, 4, 5]])), ("quad", np.array([[5, 6, 7, 8]]))]


def mesh(u: np.ndarray, points: np.ndarray = POINTS) -> Any:
    cells = [np.arange(len(block)) + 10.0 * number for number, (_, block) in enumerate(CELLS)]
    return meshio.Mesh(points, CELLS, {"u": u, "velocity": np.stack([u, -u, 0 * u], 1)}, {"p": cells})


def folders(root: Path, suffix: str, num: int = 4, steps: int = 11) -> np.ndarray:
    values = RNG.random((num, steps, 9))
    for number in range(num):
        (root / f"re_{number}").mkdir(parents=True)
        for step in range(steps):
            mesh(values[number, step]).write(root / f"re_{number}" / f"out_{step}.{suffix}")
    return values


def wholes(data: Mesh) -> list[Trajectory]:
    found = []
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        found += [trajectories.read(i, 0, trajectories.num_times(i)) for i in range(len(trajectories))]
    return found


@pytest.mark.parametrize("suffix", ["vtu", "vtk"])
def test_a_folder_of_files_is_a_trajectory(tmp_path: Path, suffix: str) -> None:
    values = folders(tmp_path, suffix)
    data = Mesh(path=tmp_path / "re_{reynolds}", inputs=["u", "velocity"], time_step=0.5)
    spec = data.spec()
    assert (spec.num_axes, spec.grid_shape, spec.condition) == (2, None, ("reynolds",))
    assert [(field.name, field.channels) for field in spec.fields] == [("u", 1), ("velocity", 3)]
    for whole in wholes(data):
        expected = values[round(whole.condition["reynolds"])]  # type: ignore[arg-type]
        assert np.allclose(whole.fields["u"][..., 0].numpy(), expected)
        assert np.allclose(whole.fields["velocity"][..., 1].numpy(), -expected)
        assert np.allclose(whole.coords_NX.numpy(), POINTS[:, :2])
        assert whole.time_T.tolist() == [0.5 * step for step in range(11)]


def test_values_in_cells_are_at_their_centres(tmp_path: Path) -> None:
    for step in range(8):
        mesh(RNG.random(9)).write(tmp_path / f"{step}.vtu")
    data = Mesh(path=tmp_path, inputs=["p"], location="cell", split_by="time")
    whole = data.trajectories("train").read(0, 0, 2)
    assert whole.fields["p"][0, :, 0].tolist() == [0.0, 1.0, 10.0]
    assert np.allclose(whole.coords_NX[2].numpy(), POINTS[[5, 6, 7, 8], :2].mean(0))


def test_cells_and_nodes_know_their_areas(tmp_path: Path) -> None:
    corners = np.array([[0.0, 0, 3], [2, 0, 3], [2, 1, 3], [0, 1, 3], [3, 0, 3]])
    for number in range(8):
        meshio.Mesh(
            corners,
            [("quad", [[0, 1, 2, 3]]), ("triangle", [[1, 4, 2]])],
            {"u": corners.sum(1)},
            {"p": [np.ones(1), np.zeros(1)]},
        ).write(tmp_path / f"{number}.vtu")
    areas = {}
    for location, field in (("cell", "p"), ("point", "u")):
        data = Mesh(path=tmp_path, inputs=[field], location=location, split_by="time")  # type: ignore[arg-type]
        measure = data.trajectories("train").read(0, 0, 1).measure_N
        assert measure is not None
        areas[location] = measure.tolist()
    assert areas["cell"] == pytest.approx([2, 0.5])
    assert areas["point"] == pytest.approx([2 / 3, 1 / 3 + 1 / 6, 2 / 3 + 1 / 6, 1 / 3, 1 / 6])


def test_an_xdmf_series_has_its_own_times(tmp_path: Path) -> None:
    values = RNG.random((8, 9))
    with meshio.xdmf.TimeSeriesWriter(tmp_path / "run.xdmf", data_format="XML") as writer:
        writer.write_points_cells(POINTS, CELLS)
        for step in range(8):
            writer.write_data(0.25 * step, point_data={"u": values[step]})
    data = Mesh(path=tmp_path / "run.xdmf", split_by="time")
    whole = data.trajectories("train").read(0, 1, 4)
    assert whole.time_T.tolist() == [0.25, 0.5, 0.75]
    assert np.allclose(whole.fields["u"][..., 0].numpy(), values[1:4])


def test_steady_cases_have_meshes_of_their_own(tmp_path: Path) -> None:
    for number in range(4):
        size = 9 + number
        points = RNG.random((size, 3))
        meshio.Mesh(points, [("triangle", [[0, 1, 2]])], {"p": points.sum(1)}).write(tmp_path / f"case_{number}.vtu")
    data = Mesh(path=tmp_path, inputs=["coordinates"], targets=["p"], steady=True)
    assert (data.spec().steady, data.spec().channels) == (True, 4)
    for whole in wholes(data):
        assert np.allclose(whole.fields["coordinates"][0].numpy(), whole.coords_NX.numpy(), atol=1e-6)
        assert np.allclose(whole.fields["coordinates"][0].sum(1).numpy(), whole.fields["p"][0, :, 0].numpy())
    assert sorted(whole.point_set for whole in wholes(data)) == [0, 1, 2, 3]


def test_what_is_wrong_with_meshes(tmp_path: Path) -> None:
    folders(tmp_path, "vtu", num=1)
    folder = tmp_path / "re_0"
    with pytest.raises(DataError, match=r"out_0.vtu: there is no field 'p' at points; found: u, velocity; on the"):
        Mesh(path=folder, inputs=["p"]).spec()
    with pytest.raises(DataError, match="gone: expected a mesh file, or a folder of mesh files, but it does not exist"):
        Mesh(path=tmp_path / "gone").spec()
    with pytest.raises(DataError, match=r"out_0.vtu: holds 1 time step; name a folder with one file for each"):
        Mesh(path=folder / "out_0.vtu").spec()
    train = Mesh(path=folder, split_by="time").trajectories("train")
    mesh(np.ones(9), POINTS + np.array([0.1, 0, 0])).write(folder / "out_2.vtu")
    with pytest.raises(DataError, match=r"out_2.vtu: its points differ from those of .*, but the mesh must not"):
        train.read(0, 0, 4)
    (folder / "out_2.vtu").write_text("<VTKFile>")
    with pytest.raises(DataError, match=r"out_2.vtu: (changed while|not a mesh file that meshio reads)"):
        train.read(0, 0, 4)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders(tmp_path, "vtu", num=1)
    monkeypatch.setitem(sys.modules, "meshio", None)
    with pytest.raises(DataError, match=r"reading a mesh needs the library meshio .*'upt-core\[mesh\]'"):
        Mesh(path=tmp_path / "re_0").spec()
