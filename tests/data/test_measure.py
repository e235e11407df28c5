"""How much of space points stand for, as a file or the user says it: from there to losses and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from upt_core import DataError, Dataset, Trajectory, UserError
from upt_core.cli import main
from upt_core.data.prepared import PreparedData
from upt_core.testing import check_dataset
from upt_data.arrays.dataset import GridArrays
from upt_data.commands.to_zarr import to_zarr
from upt_data.frames import Frames
from upt_data.hdf5_arrays import Hdf5
from upt_data.mesh import Mesh
from upt_data.netcdf_arrays import NetCdf
from upt_data.npz import Npz
from upt_data.points import PointClouds
from upt_data.symmetric import Symmetric
from upt_data.zarr_arrays import Zarr

RNG = np.random.default_rng(0)
LAT, LON = np.linspace(-90, 90, 7), np.arange(0, 360, 45.0)
U = RNG.standard_normal((6, 5, 7, 8))
AREA = RNG.random((7, 8)) + 0.5
GLOBE: dict[str, Any] = {"u": U, "lat": LAT, "lon": LON, "t": np.arange(5.0), "area": AREA}


def globe(path: Path, **other: Any) -> Path:
    np.savez(path, **(GLOBE | other))
    return path


def data(path: Path | list[Path], **settings: Any) -> Npz:
    return Npz(path=path, **{"axes": ["lat", "lon"], **settings})


def first(dataset: Dataset) -> Trajectory:
    return dataset.trajectories("train").read(0, 0, 2)


def measure(dataset: Dataset) -> np.ndarray:
    found = first(dataset).measure_N
    assert found is not None
    assert found.dtype == torch.float64
    value: np.ndarray = found.numpy()
    return value


def npz(path: Path) -> GridArrays:
    return data(globe(path / "a.npz"), measure="area")


def hdf5(path: Path) -> GridArrays:
    import h5py

    with h5py.File(path / "a.h5", "w") as file:
        for name, value in GLOBE.items():
            file[name] = value
    return Hdf5(path=path / "a.h5", axes=["lat", "lon"], inputs=["u"], measure="area")


def netcdf(path: Path) -> GridArrays:
    xarray = pytest.importorskip("xarray")
    dims = {"u": ("trajectory", "t", "lat", "lon"), "area": ("lat", "lon"), "lat": "lat", "lon": "lon", "t": "t"}
    xarray.Dataset({name: (dims[name], value) for name, value in GLOBE.items()}).to_netcdf(path / "a.nc")
    return NetCdf(path=path / "a.nc", axes=["lat", "lon"], time="t", inputs=["u"], measure="area")


def zarr(path: Path) -> GridArrays:
    store = pytest.importorskip("zarr")
    group = store.open_group(path / "a.zarr", mode="w")
    for name, value in GLOBE.items():
        group.create_array(name, data=np.asarray(value))
    return Zarr(path=path / "a.zarr", axes=["lat", "lon"], inputs=["u"], measure="area")


@pytest.mark.parametrize("reader", [npz, hdf5, netcdf, zarr])
def test_areas_in_the_file(tmp_path: Path, reader: Any) -> None:
    found = reader(tmp_path)
    assert found.spec().grid_shape == (7, 8)
    assert [field.name for field in found.spec().fields] == ["u"]
    assert np.array_equal(measure(found), AREA.reshape(-1))
    check_dataset(found)


def test_what_is_kept_of_the_grid_has_its_areas(tmp_path: Path) -> None:
    path = globe(tmp_path / "a.npz", lat=LAT[::-1])  # descends: turned, and the areas with it
    assert np.array_equal(measure(data(path, measure="area")), AREA[::-1].reshape(-1))
    strided = data(globe(tmp_path / "b.npz"), measure="area", space_stride=2)
    assert np.array_equal(measure(strided), AREA[::2, ::2].reshape(-1))
    np.save(tmp_path / "area.npy", AREA)
    assert np.array_equal(measure(data(path, measure=str(tmp_path / "area.npy"))), AREA[::-1].reshape(-1))
    land = AREA > 1.2
    path = globe(tmp_path / "c.npz", land=land)
    wet = data(path, measure="area", holes="land")
    assert np.array_equal(measure(wet), AREA[~land])
    by_file = data(path, measure=str(tmp_path / "area.npy"), holes="land")
    assert np.array_equal(measure(by_file), AREA[~land])
    assert [file.name for file in by_file.files()] == ["c.npz", "area.npy"]
    sphere = data(path, measure="latitude", holes="land")
    assert np.array_equal(measure(sphere), measure(data(path, measure="latitude"))[~land.reshape(-1)])


@pytest.mark.parametrize("shape", [(7, 8), (181, 4), (90, 3)])
def test_latitudes_are_the_cells_of_a_sphere(tmp_path: Path, shape: tuple[int, int]) -> None:
    num, around = shape
    poles = num % 2 == 1
    lat = np.linspace(-90, 90, num) if poles else -90 + (np.arange(num) + 0.5) * 180 / num
    path = tmp_path / "a.npz"
    np.savez(path, u=RNG.standard_normal((4, 3, *shape)), lat=lat, lon=np.arange(around) * 360 / around, t=np.arange(3))
    found = measure(data(path, measure="latitude")).reshape(shape)
    assert (found > 0).all()
    assert found.sum() == pytest.approx(around)  # bands of half the sphere's height each way, in each meridian
    sine = np.sin(np.radians(lat))[:, None]
    exact = {0: 1.0, 2: 1 / 3, 4: 1 / 5}  # means of powers of sin(latitude) over a sphere
    for power, value in exact.items():
        mean = float((found * sine**power).sum() / found.sum())
        assert mean == pytest.approx(value, rel=3 / num**1.9 + 1e-12)


def test_gaussian_latitudes_may_be_uneven(tmp_path: Path) -> None:
    lat = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(16)[0]))
    path = tmp_path / "a.npz"
    np.savez(path, u=RNG.standard_normal((4, 3, 16, 8)), lat=lat, lon=LON, t=np.arange(3))
    weights = np.polynomial.legendre.leggauss(16)[1]
    for uneven in ("points", "index"):
        found = measure(data(path, measure="latitude", uneven=uneven)).reshape(16, 8)
        np.testing.assert_allclose(found[:, 0] * 2, weights, rtol=0.1)  # measured: 0.02, at the poles 0.08


def test_each_file_has_its_own_cells(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    for number in range(3):
        globe(folder / f"{number}.npz", area=AREA + number, u=U[2 * number : 2 * number + 2])
    found = data(folder, measure="area", valid_fraction=0.2, test_fraction=0.2)
    check_dataset(found)
    everything = found.everything()
    for index in range(len(everything)):
        whole = everything.read(index, 0, 1)
        file = int(np.flatnonzero([np.allclose(whole.fields["u"][0, :, 0], u[0].reshape(-1)) for u in U])[0]) // 2
        assert whole.measure_N is not None
        assert np.array_equal(whole.measure_N.numpy(), AREA.reshape(-1) + file)


def test_rows_of_points(tmp_path: Path) -> None:
    rows = RNG.random(20) + 0.1
    arrays = {"pos": RNG.random((20, 2)), "ptr": np.array([0, 4, 9, 15, 20]), "t": np.arange(3.0), "area": rows}
    np.savez(tmp_path / "a.npz", u=RNG.standard_normal((20, 3)), **arrays)
    found = PointClouds(path=tmp_path / "a.npz", measure="area")
    check_dataset(found)
    everything = found.everything()
    ends = arrays["ptr"]
    for index in range(4):
        part = everything.read(index, 0, 1).measure_N
        assert part is not None
        assert np.array_equal(part.numpy(), rows[ends[index] : ends[index + 1]])


def test_the_kept_measure_is_that_of_losses_and_metrics(tmp_path: Path) -> None:
    batch = PreparedData(data(globe(tmp_path / "a.npz"), measure="area"), "standard").batches("train", 1, 4)[0]
    relative = batch.points.relative_measure_BN
    assert relative is not None
    torch.testing.assert_close(relative[0], torch.from_numpy(AREA.reshape(-1) / AREA.mean()).float())
    mean = (relative * batch.target_BTNC[:, 0, :, 0]).mean(1)
    by_hand = (torch.from_numpy(AREA.reshape(-1)) * batch.target_BTNC[:, 0, :, 0]).sum(1) / AREA.sum()
    torch.testing.assert_close(mean, by_hand.float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "other", "message"),
    [
        ({"measure": "gone"}, {}, "there is no array called 'gone'"),
        ({"measure": "area"}, {"area": AREA[:3]}, r"'area': shape \(3, 8\) does not fit"),
        (
            {"measure": "area"},
            {"area": -AREA},
            r"measure 'area': goes from -1.* expected areas or volumes: finite, none",
        ),
        ({"measure": "area"}, {"area": AREA * np.nan}, "measure 'area': goes from nan to nan"),
        ({"measure": "area"}, {"area": AREA * 0}, "goes from 0 to 0; expected areas or volumes"),
        ({"measure": "area"}, {"area": AREA > 1}, "measure 'area': holds bool; expected areas or volumes, as numbers"),
        ({"measure": "area"}, {"area": np.stack([AREA] * 5)}, "has 5 time steps; cells must not change"),
        (
            {"measure": "area"},
            {"area": np.stack([AREA + n for n in range(6)])},
            "trajectories 0 and 1 have the same points and different values; the cell around a point must be the same",
        ),
        ({"measure": "gone.npy"}, {}, "gone.npy: cannot be read as an array .* 'measure' takes latitude, the name of"),
        (
            {"measure": "latitude", "axes": ["y", "x"]},
            {"y": LAT, "x": LON},
            "needs an axis called latitude or lat .*y, x",
        ),
        (
            {"measure": "area"},
            {"area": np.stack([AREA + (n == 2) for n in range(6)])},
            "trajectories 0 and 2 have the same points and different values",
        ),
        ({"measure": "latitude"}, {"lat": LAT * 2}, "latitudes go from -180 to 180; expected degrees from -90 to 90"),
        ({"measure": "latitude"}, {"lat": np.radians(LAT)}, "from -1.571 to 1.571, which looks like radians; store"),
        (
            {"measure": "latitude"},
            {"lat": np.radians((np.arange(7) + 0.5) * 180 / 7 - 90)},
            "which looks like radians; store degrees",
        ),
    ],
)
def test_what_is_no_measure(tmp_path: Path, settings: Any, other: Any, message: str) -> None:
    found = data(globe(tmp_path / "a.npz", **other), **settings)
    with pytest.raises(DataError, match=message):
        found.everything().read(0, 0, 1)


def test_formats_without_names_take_an_array_of_their_own(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"run_{number}").mkdir()
        for step in range(5):
            np.save(tmp_path / f"run_{number}" / f"{step}.npy", RNG.standard_normal((7, 8, 1)))
    settings: dict[str, Any] = {"path": tmp_path, "fields": {"u": 1}, "extent": [1, 1]}
    with pytest.raises(DataError, match="'area' cannot be read from files of this format; name an .npy file"):
        first(Frames(**settings, measure="area"))
    with pytest.raises(DataError, match="needs an axis called latitude or lat .* the axes are not known"):
        first(Frames(**settings, measure="latitude"))


def test_images_have_the_same_cells(tmp_path: Path) -> None:
    path = globe(tmp_path / "a.npz")
    base = data(path, measure="latitude", periodic=[False, True])
    images = Symmetric(base=base, flips=[0], roll_axes=[1], rolls=[4])
    check_dataset(images)
    assert np.array_equal(measure(images), measure(base))
    with pytest.raises(DataError, match=r"areas or volumes of cells differ in the image with flips \[0\], swap False"):
        check_dataset(Symmetric(base=data(path, measure="area"), flips=[0]))


@pytest.mark.parametrize("chunk_mb", [1.0, 1e-4])
def test_convert_keeps_cells(tmp_path: Path, chunk_mb: float) -> None:
    pytest.importorskip("zarr")
    stretched = globe(tmp_path / "b.npz", lat=LAT**3, x=LON)
    for path, settings in (
        (globe(tmp_path / "a.npz"), {"measure": "area"}),
        (stretched, {"uneven": "points"}),
        (stretched, {"uneven": "index"}),
    ):
        out = tmp_path / f"{'-'.join(settings.values())}.zarr"
        written = to_zarr(data(path, **settings), out, chunk_mb)
        kind = {"points": PointClouds, "zarr": Zarr}[written.pop("name")]
        assert written["measure"] == "measure"
        again = kind(**written)
        for one, two in zip(_all(data(path, **settings)), _all(again), strict=True):
            assert one.measure_N is not None
            assert two.measure_N is not None
            assert torch.equal(one.measure_N, two.measure_N)
            assert torch.equal(one.fields["u"], two.fields["u"])
    other = tmp_path / "other"
    other.mkdir()
    for number in range(2):
        globe(other / f"{number}.npz", area=AREA + number)
    with pytest.raises(
        UserError, match="the files have different areas or volumes of cells, but a store holds only one"
    ):
        to_zarr(data(other, measure="area"), tmp_path / "other.zarr", 1.0)


def _all(dataset: Any) -> list[Trajectory]:
    everything = dataset.everything()
    return [everything.read(index, 0, 1) for index in range(len(everything))]


def test_a_mesh_may_be_given_other_cells(tmp_path: Path) -> None:
    meshio = pytest.importorskip("meshio")
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=float)
    for number in range(4):
        mesh = meshio.Mesh(corners, [("triangle", np.array([[0, 1, 2], [1, 2, 3]]))], point_data={"u": RNG.random(4)})
        mesh.write(tmp_path / f"case_{number}.vtu")
    np.save(tmp_path / "cells.npy", np.array([1.0, 2, 3, 4]))
    settings: dict[str, Any] = {"path": tmp_path, "inputs": ["u"], "steady": True}
    assert measure(Mesh(**settings)).tolist() == pytest.approx([1 / 6, 1 / 3, 1 / 3, 1 / 6])
    assert measure(Mesh(**settings, measure=str(tmp_path / "cells.npy"))).tolist() == [1, 2, 3, 4]
    with pytest.raises(DataError, match="measure: latitude needs a grid with an axis of latitudes, which files"):
        first(Mesh(**settings, measure="latitude"))


def test_an_axis_of_latitudes_is_remarked(tmp_path: Path) -> None:
    path = globe(tmp_path / "a.npz")
    (text,) = data(path).remarks()
    assert "'lat' holds latitudes, but means are over points: set measure: latitude for means over the sphere" in text
    assert not data(path, measure="latitude").remarks()


def write_globe(path: Path, lon: np.ndarray = LON, lat: np.ndarray = LAT) -> None:
    xarray = pytest.importorskip("xarray")
    dims = ("member", "time", "latitude", "longitude")
    values = RNG.standard_normal((6, 5, len(lat), len(lon)))
    coords = {"member": np.arange(6), "time": np.arange(5.0), "latitude": lat, "longitude": lon}
    xarray.Dataset({"z": (dims, values)}, coords=coords).to_netcdf(path)


def test_info_proposes_a_sphere(tmp_path: Path) -> None:
    """A field may be called like an axis (z, the geopotential); numbers of members are no parameter."""
    write_globe(tmp_path / "a.nc")
    found = proposed(tmp_path / "a.nc")
    assert found == {
        "name": "netcdf",
        "path": str(tmp_path / "a.nc"),
        "trajectory": "member",
        "inputs": ["z"],
        "axes": ["latitude", "longitude"],
        "periodic": [False, True],
        "measure": "latitude",
        "time": "time",
    }
    write_globe(tmp_path / "part.nc", lon=np.arange(8) * 10.0)
    assert "periodic" not in proposed(tmp_path / "part.nc")


def proposed(path: Path) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["data", "info", str(path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = yaml.safe_load(done.output[done.output.index("data:") :])["data"]
    return found


def test_a_remark_on_many_files_is_said_once(tmp_path: Path) -> None:
    for number in range(3):
        globe(tmp_path / f"{number}.npz", lat=LAT[::-1])
    text = "'lat' descends, so the fields are flipped along it"
    assert data(tmp_path, measure="latitude").remarks() == [f"{tmp_path / '0.npz'} and 2 more files: {text}"]
    two = data([tmp_path / "0.npz", tmp_path / "2.npz"], measure="latitude")
    assert two.remarks() == [f"{tmp_path / '0.npz'} and {tmp_path / '2.npz'}: {text}"]


def test_check_says_that_means_are_over_space(tmp_path: Path) -> None:
    path, experiment = globe(tmp_path / "a.npz"), tmp_path / "a.yaml"
    done = CliRunner().invoke(main, ["data", "init", str(path), "-o", str(experiment)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["check", str(experiment)], catch_exceptions=False)
    assert "means    over space, by the cells around points" in done.output
    done = CliRunner().invoke(main, ["check", str(experiment), "mean=points"], catch_exceptions=False)
    assert "over space" not in done.output
