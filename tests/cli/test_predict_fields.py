"""``upt predict`` for fields of two axes: a scalar and a vector, at uneven times, in every kind of file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import Result

from upt_core import DataError, Experiment, Prediction, load

Upt = Callable[..., Result]
TIMES = np.array([0.0, 0.1, 0.3, 0.35, 0.6])
ASKED = ("--steps", "3", "--resolution", "24x24")


def write(path: str, cases: int, seed: int) -> None:
    """A pattern that moves along both axes, and a velocity with two components, on 16 x 16 points."""
    phase = np.random.default_rng(seed).random((cases, 1, 1, 1))
    x = np.arange(16) / 16
    moved = 2 * np.pi * (x[:, None] + 2 * x - TIMES[:, None, None] - phase)
    p = np.sin(moved)
    np.savez(path, p=p, v=np.stack([np.cos(moved), 2 * p], axis=-1), x=x, y=x, t=TIMES)


@pytest.fixture
def run(own_folder: Path) -> Path:
    write("train.npz", 10, 0)
    write("new.npz", 2, 1)
    config = {
        "data": {"name": "npz", "path": "train.npz", "inputs": ["p", "v"], "periodic": True},
        "model": {
            "latent": {"tokens": 16, "dim": 16},
            "encoder": {"name": "grid", "patch": 4, "depth": 1},
            "approximator": {"name": "transformer", "depth": 1},
            "decoder": {"name": "perceiver", "depth": 1},
        },
        "losses": {"forward": {"name": "forward"}},
        "trainer": {"epochs": 1, "batch_size": 8, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
        "validation": {"metrics": {"relative_l2": "relative_l2"}},
    }
    Experiment.from_dict(config, "flow").train("run")
    return Path("run")


def by_hand() -> Prediction:
    """The same question in Python."""
    new = np.load("new.npz")
    return load("run").predict({name: new[name][:, 0] for name in ("p", "v")}, at=(24, 24), steps=3, times=TIMES[:4])


@pytest.mark.parametrize("ending", ["npz", "h5"])
def test_archives_hold_fields_axes_and_times(run: Path, upt: Upt, ending: str) -> None:
    result = upt("predict", "run", "new.npz", *ASKED, "-o", f"a.{ending}")
    assert result.exit_code == 0, result.output
    assert "2 samples, 3 time steps, 576 points" in result.output
    if ending == "npz":
        found = dict(np.load("a.npz"))
    else:
        with h5py.File("a.h5") as file:
            found = {name: file[name][...] for name in file}
    expected = by_hand()
    assert found["p"].shape == (2, 3, 24, 24)
    assert found["v"].shape == (2, 3, 24, 24, 2)
    for name in ("p", "v"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["t"].reshape(-1)[:3], TIMES[1:4])
    np.testing.assert_allclose(found["x"], np.arange(24) / 24, atol=1e-12)
    np.testing.assert_allclose(found["y"], np.arange(24) / 24, atol=1e-12)


def test_xarray_knows_the_axes_and_the_components(run: Path, upt: Upt) -> None:
    xarray = pytest.importorskip("xarray")
    assert upt("predict", "run", "new.npz", *ASKED, "-o", "a.nc").exit_code == 0
    with xarray.open_dataset("a.nc", engine="h5netcdf", decode_times=False) as found:
        assert found["p"].sizes["x"] == found["p"].sizes["y"] == 24
        assert found["v"].ndim == found["p"].ndim + 1
        place = {"x": 0.25, "y": 0.5}
        at_point = found["p"].sel(place, method="nearest").values
        times = found["p"].coords["t" if "t" in found["p"].coords else "time"].values
        np.testing.assert_allclose(times.reshape(-1)[:3], TIMES[1:4])
    np.testing.assert_allclose(at_point.squeeze(), by_hand()["p"][:, :, 6, 12], rtol=1e-5, atol=1e-6)


def test_paraview_gets_cells_vectors_and_times(run: Path, upt: Upt) -> None:
    meshio = pytest.importorskip("meshio")
    assert upt("predict", "run", "new.npz", *ASKED, "-o", "flow.pvd").exit_code == 0
    series = Path("flow.pvd").read_text()
    assert all(f'timestep="{time:g}"' in series for time in TIMES[1:4])
    pieces = sorted(Path("flow").glob("*.vtu"))
    assert len(pieces) == 2 * 3
    mesh = meshio.read(sorted(path for path in pieces if path.name.startswith("0"))[1])
    assert len(mesh.points) == 24 * 24
    assert mesh.cells[0].type == "quad"
    expected = by_hand()
    order = np.lexsort((mesh.points[:, 1], mesh.points[:, 0]))
    np.testing.assert_allclose(mesh.point_data["p"][order], expected["p"][0, 1].reshape(-1), rtol=1e-5, atol=1e-6)
    vector = mesh.point_data["v"][order]
    np.testing.assert_allclose(vector[:, :2], expected["v"][0, 1].reshape(-1, 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(vector[:, 2], 0)


@pytest.mark.parametrize("ending", ["vtu", "vtk"])
def test_one_sample_at_one_time_is_one_mesh(run: Path, upt: Upt, ending: str) -> None:
    meshio = pytest.importorskip("meshio")
    new = np.load("new.npz")
    np.savez("one.npz", **{name: new[name] if new[name].ndim == 1 else new[name][:1] for name in new.files})
    result = upt("predict", "run", "one.npz", "--steps", "1", "--resolution", "24", "-o", f"a.{ending}")
    assert result.exit_code == 0, result.output
    mesh = meshio.read(f"a.{ending}")
    assert sorted(np.unique(np.round(mesh.points[:, 0] * 24)).tolist()) == list(range(24))
    order = np.lexsort((mesh.points[:, 1], mesh.points[:, 0]))
    expected = by_hand()["p"][0, 0].reshape(-1)
    np.testing.assert_allclose(mesh.point_data["p"][order].reshape(-1), expected, rtol=1e-4, atol=1e-5)


def test_other_times_give_another_answer(run: Path, upt: Upt) -> None:
    """The operator is told the time between steps, so those of the file are not decoration."""
    new = dict(np.load("new.npz"))
    np.savez("slow.npz", **{**new, "t": 0.1 * np.arange(5)})
    for name in ("new", "slow"):
        assert upt("predict", "run", f"{name}.npz", *ASKED, "-o", f"{name}-out.npz").exit_code == 0
    assert not np.allclose(np.load("new-out.npz")["p"][:, 1], np.load("slow-out.npz")["p"][:, 1], rtol=1e-6)


def test_a_picture_of_a_scalar_and_a_vector(run: Path, upt: Upt) -> None:
    from PIL import Image

    result = upt("predict", "run", "new.npz", *ASKED, "--plot", "p.png")
    assert result.exit_code == 0, result.output
    with Image.open("p.png") as picture, Image.open("p.gif") as film:
        assert min(picture.size) > 200
        assert film.n_frames == 3


def test_times_and_coordinates_that_do_not_fit(run: Path, upt: Upt) -> None:
    operator, new = load("run"), np.load("new.npz")
    fields = {name: new[name][:, 0] for name in ("p", "v")}
    with pytest.raises(DataError, match="there are 4 times for 2 steps; expected 3, the input's first"):
        operator.predict(fields, steps=2, times=TIMES[:4])
    with pytest.raises(
        DataError, match=r"coords are \(9, 2\), but fields have 256 points and 2 samples; give \(points"
    ):
        operator.predict(fields, coords=np.zeros((9, 2)), times=TIMES[:2])
    np.savez("none.npz", **{name: new[name] if new[name].ndim == 1 else new[name][:0] for name in new.files})
    result = upt("predict", "run", "none.npz", "-o", "a.npz")
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: none.npz: ")
    assert "trajectories" in result.stderr
