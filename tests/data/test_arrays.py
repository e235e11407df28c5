"""Named arrays on a grid in every format: the same data, written by the field's own libraries, is read alike."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from upt_core import DataError, Dataset, LatentSpec, Trajectory
from upt_core.data.prepared import PreparedData
from upt_data.arrays.extra import library
from upt_data.hdf5_arrays import Hdf5
from upt_data.mat_arrays import Mat
from upt_data.netcdf_arrays import NetCdf
from upt_data.npz import Npz
from upt_data.zarr_arrays import Zarr
from upt_models.patches_encoder import PatchesEncoder

Arrays = dict[str, Any]
U = np.random.default_rng(0).standard_normal((7, 5, 6, 4)).astype(np.float32)
FLOW: Arrays = {"u": U, "x": np.arange(6.0), "y": np.arange(4.0) / 4, "t": np.arange(5.0) / 10, "c": np.arange(7.0)}


def npz(path: Path, arrays: Arrays) -> Dataset:
    np.savez(path.with_suffix(".npz"), **arrays)
    return Npz(path=path.with_suffix(".npz"), conditions=["c"])


def compressed(path: Path, arrays: Arrays) -> Dataset:
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    return Npz(path=path.with_suffix(".npz"), conditions=["c"])


def hdf5(path: Path, arrays: Arrays) -> Dataset:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for name, value in arrays.items():
            file.create_dataset(name, data=value, chunks=True)
    return Hdf5(path=path.with_suffix(".h5"), conditions=["c"])


def zarr_store(path: Path, arrays: Arrays, version: int = 3) -> Dataset:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(path.with_suffix(".zarr"), mode="w", zarr_format=version)
    for name, value in arrays.items():
        group.create_array(name, data=value)
    return Zarr(path=path.with_suffix(".zarr"), conditions=["c"])


def zarr_store_2(path: Path, arrays: Arrays) -> Dataset:
    return zarr_store(path, arrays, version=2)


def netcdf(path: Path, arrays: Arrays, engine: str = "h5netcdf") -> Dataset:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip(engine)
    variables = {"u": (("run", "t", "x", "y"), arrays["u"]), "c": (("run",), arrays["c"])}
    data = xarray.Dataset(variables, {name: arrays[name] for name in "xyt"})
    data.to_netcdf(path.with_suffix(".nc"), engine=engine)
    return NetCdf(path=path.with_suffix(".nc"), conditions=["c"], trajectory="run")


def netcdf_3(path: Path, arrays: Arrays) -> Dataset:
    return netcdf(path, arrays, engine="scipy")


def mat_5(path: Path, arrays: Arrays) -> Dataset:
    pytest.importorskip("scipy.io").savemat(path.with_suffix(".mat"), arrays)
    return Mat(path=path.with_suffix(".mat"), conditions=["c"])


def mat_73(path: Path, arrays: Arrays) -> Dataset:
    with h5py.File(path.with_suffix(".mat"), "w") as file:  # MATLAB writes columns first, and rows as matrices
        for name, value in arrays.items():
            file[name] = np.atleast_2d(value).T
    return Mat(path=path.with_suffix(".mat"), conditions=["c"])


FORMATS = [npz, compressed, hdf5, zarr_store, zarr_store_2, netcdf, netcdf_3, mat_5, mat_73]


def wholes(data: Dataset) -> list[Trajectory]:
    found = []
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        found += [trajectories.read(i, 0, trajectories.num_times(i)) for i in range(len(trajectories))]
    return found


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_reads_the_same(tmp_path: Path, write: Callable[[Path, Arrays], Dataset]) -> None:
    data = write(tmp_path / "flow", FLOW)
    spec = data.spec()
    assert (spec.grid_shape, spec.extent, spec.condition) == ((6, 4), (6.0, 1.0), ("c",))
    found = {round(whole.condition["c"]): whole for whole in wholes(data)}
    assert sorted(found) == list(range(7))
    for number, whole in found.items():
        assert np.array_equal(whole.fields["u"].numpy(), U[number].reshape(5, 24, 1))
        assert np.allclose(whole.time_T.numpy(), FLOW["t"])
    window = data.trajectories("train").read(1, 2, 4)
    assert torch.equal(window.fields["u"], data.trajectories("train").read(1, 0, 5).fields["u"][2:4])


def damaged(path: Path) -> None:
    if path.is_dir():
        for chunk in (path / "u").rglob("*"):
            if chunk.is_file() and not chunk.name.startswith((".z", "zarr")):
                chunk.write_bytes(b"text")
    else:
        path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_refuses_what_is_damaged_or_gone(tmp_path: Path, write: Callable[[Path, Arrays], Dataset]) -> None:
    data = write(tmp_path / "flow", FLOW)
    (path,) = tmp_path.iterdir()
    damaged(path)
    with pytest.raises(DataError, match=rf"{path.name}.*(not a|cannot be read)"):
        wholes(data)
    with pytest.raises(DataError, match=r"gone.*: expected a .*, but it does not exist"):
        type(data)(path=tmp_path / f"gone{path.suffix}").spec()


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_names_what_is_missing(tmp_path: Path, write: Callable[[Path, Arrays], Dataset]) -> None:
    data = write(tmp_path / "flow", FLOW)
    (path,) = tmp_path.iterdir()
    message = rf"{path.name}: there is no array called 'pressure'; found: .*u.*; name the right ones"
    with pytest.raises(DataError, match=message):
        type(data)(path=path, inputs=["pressure"]).spec()


def test_a_missing_library_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").touch()
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(DataError, match=r"a.zarr: reading a zarr store needs the library zarr .*'upt-core\[zarr\]'"):
        Zarr(path=tmp_path / "a.zarr").spec()
    with pytest.raises(DataError, match=r"it needs the library none .*pip install 'upt-core\[some\]'"):
        library("none.of.this", "some", "it")


def test_groups_of_a_file_are_its_splits(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "sim.h5", "w") as file:
        for seed, split in enumerate(("train", "valid")):
            file[f"{split}/u"] = np.random.default_rng(seed).random((8, 6, 4, 4))
        file["x"], file["t"] = np.arange(4) / 4, np.linspace(0, 1, 6)
    data = Hdf5(path=tmp_path / "sim.h5", axes=["x", "x"], group="train", valid_group="valid")
    assert [len(data.trajectories(split)) for split in ("train", "valid", "test")] == [7, 8, 1]  # type: ignore[arg-type]
    assert (data.spec().grid_shape, data.spec().channels) == ((4, 4), 1)
    with pytest.raises(DataError, match=r"'train/u': shape \(8, 6, 4, 4\) does not fit .*for example \[x, x\]"):
        Hdf5(path=tmp_path / "sim.h5", inputs=["train/u"]).spec()


def test_a_group_for_each_trajectory(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "sim.h5", "w") as file:
        for number in range(11):
            file[f"sim_{number}/u"] = np.full((6, 4), number)
            file[f"sim_{number}"].attrs["nu"] = number
        file["x"], file["t"] = np.arange(4) / 4, np.linspace(0, 1, 6)
    data = Hdf5(path=tmp_path / "sim.h5", group="sim_*", conditions=["nu"])
    found = {whole.condition["nu"]: whole.fields["u"].mean().item() for whole in wholes(data)}
    assert found == {float(number): float(number) for number in range(11)}
    with pytest.raises(DataError, match=r"sim.h5: no group fits 'run_\*'; found: sim_0/u"):
        Hdf5(path=tmp_path / "sim.h5", group="run_*").spec()


def test_axes_in_any_order_without_coordinates(tmp_path: Path) -> None:
    moved = U.transpose(0, 2, 3, 1)  # (trajectories, x, y, times), as the Navier-Stokes files of the FNO paper
    pytest.importorskip("scipy.io").savemat(tmp_path / "ns.mat", {"u": moved, "a": moved[..., 0], "t": FLOW["t"]})
    data = Mat(
        path=tmp_path / "ns.mat",
        inputs=["u", "a"],
        targets=["u"],
        dims=["trajectory", "x", "y", "t"],
        extent=[6.0, 1.0],
    )
    assert (data.spec().grid_shape, data.spec().extent) == ((6, 4), (6.0, 1.0))
    found = {float(whole.fields["u"][0, 0, 0]): whole for whole in wholes(data)}
    whole = found[float(U[2, 0, 0, 0])]
    assert np.array_equal(whole.fields["u"].numpy(), U[2].reshape(5, 24, 1))
    assert np.array_equal(whole.fields["a"].numpy(), U[2, :1].reshape(1, 24, 1))
    data = Mat(path=tmp_path / "ns.mat", dims=["trajectory", "x", "y", "t"], extent=[1.0, 1.0], time_step=0.5)
    assert wholes(data)[0].time_T.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    with pytest.raises(DataError, match=r"extent has 1 values, axes has 2 names"):
        Mat(path=tmp_path / "ns.mat", axes=["x", "y"], extent=[1.0]).spec()


def test_descending_axes_are_turned_and_dates_become_seconds(tmp_path: Path) -> None:
    dates = np.arange("2020-01-01", "2020-01-06", dtype="datetime64[D]")
    arrays = {"u": U, "lat": np.array([90.0, 54, 18, -18, -54, -90]), "lon": np.arange(4) * 90.0, "t": dates}
    np.savez(tmp_path / "a.npz", **arrays)
    data = Npz(path=tmp_path / "a.npz", axes=["lat", "lon"], periodic=[False, True])
    first = {float(w.fields["u"][0, -4, 0]): w for w in wholes(data)}[float(U[0, 0, 0, 0])]
    assert first.coords_NX[0].tolist() == [-90, 0]
    assert np.array_equal(first.fields["u"].numpy().reshape(5, 6, 4), U[0][:, ::-1])
    assert first.time_T.tolist() == [86400.0 * day for day in range(5)]
    assert [text.partition(": ")[2] for text in data.remarks()] == [
        "times are dates and become seconds since 2020-01-01",
        "'lat' descends, so the fields are flipped along it",
        "set measure: latitude for means over the sphere",
    ]
    strided = Npz(path=tmp_path / "a.npz", axes=["lat", "lon"], space_stride=2)
    values = {w.fields["u"][0, 0, 0].item(): w for w in wholes(strided)}
    assert np.array_equal(values[U[0, 0, 5, 0]].fields["u"].numpy().reshape(5, 3, 2), U[0][:, ::-1][:, ::2, ::2])


def test_netcdf_decodes_times_scales_and_missing_values(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    times = np.arange("2001-02-01", "2001-02-06", dtype="datetime64[D]").astype("datetime64[ns]")
    temperature = (np.round(U[:, :, :, :], 2) + 280).astype(np.float64)
    data = xarray.Dataset(
        {"temperature": (("latitude", "longitude", "member", "time"), temperature.transpose(2, 3, 0, 1))},
        {"latitude": np.linspace(50, -50, 6), "longitude": np.arange(4) * 90.0, "time": times},
    )
    packed = {"temperature": {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -9999}}
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding=packed)
    reader = NetCdf(
        path=tmp_path / "a.nc",
        inputs=["temperature"],
        axes=["latitude", "longitude"],
        time="time",
        trajectory="member",
        periodic=[False, True],
    )
    assert (reader.spec().grid_shape, reader.spec().extent) == ((6, 4), (pytest.approx(120), 360))
    found = wholes(reader)
    assert len(found) == 7
    assert found[0].time_T.tolist() == [86400.0 * day for day in range(5)]
    values = np.stack([whole.fields["temperature"].numpy().reshape(5, 6, 4)[:, ::-1] for whole in found])
    order = [int(np.abs(temperature - value).max((1, 2, 3)).argmin()) for value in values]
    assert sorted(order) == list(range(7))
    assert np.abs(values - temperature[order]).max() < 6e-3
    data["temperature"][0, 0, :, 2] = np.nan
    data.to_netcdf(tmp_path / "b.nc", engine="h5netcdf", encoding=packed)
    with pytest.raises(DataError, match=r"b.nc, 'temperature', trajectory \d, time step 2: 1 of 24 values are NaN"):
        wholes(
            NetCdf(
                path=tmp_path / "b.nc",
                inputs=["temperature"],
                axes=["latitude", "longitude"],
                time="time",
                trajectory="member",
            )
        )


def test_complex_text_and_true_or_false(tmp_path: Path) -> None:
    psi = (U + 1j * U[::-1]).astype(np.complex64)
    path = tmp_path / "a.npz"
    np.savez(path, **FLOW, psi=psi, mask=U[:, 0] > 0, name=np.array(["a"] * 7), flag=U > 0)
    with pytest.raises(DataError, match=r"a.npz, 'psi' is complex; set complex: channels"):
        Npz(path=path, inputs=["psi"]).spec()
    data = Npz(path=path, inputs=["psi"], conditions=["c"], complex="channels")
    assert data.spec().channels == 2
    whole = wholes(data)[0]
    expected = psi[round(whole.condition["c"])].reshape(5, 24)
    assert np.array_equal(whole.fields["psi"][..., 0].numpy() + 1j * whole.fields["psi"][..., 1].numpy(), expected)
    data = Npz(path=path, inputs=["u", "mask"], targets=["u"])
    assert set(wholes(data)[0].fields["mask"].unique().tolist()) == {0.0, 1.0}
    assert data.remarks() == [f"{path}, 'mask' is Boolean and becomes 0 and 1"]
    with pytest.raises(DataError, match="'flag' is Boolean and cannot be predicted as a field"):
        Npz(path=path, inputs=["flag"]).spec()
    with pytest.raises(DataError, match="'name' holds <U1, which are not numbers; name an array of numbers"):
        Npz(path=path, inputs=["u", "name"], targets=["u"]).spec()


def o_grid() -> Arrays:
    r, angle = np.meshgrid(np.linspace(1, 3, 6), np.arange(4) * np.pi / 2, indexing="ij")
    return FLOW | {"x": r * np.cos(angle), "y": r * np.sin(angle)}


def test_a_curvilinear_grid_is_taken_as_points_or_as_indices(tmp_path: Path) -> None:
    arrays = o_grid()
    path = tmp_path / "o.npz"
    np.savez(path, **arrays)
    data = Npz(path=path, conditions=["c"])
    spec, whole = data.spec(), wholes(data)[0]
    assert (spec.grid_shape, spec.extent, spec.origin) == (None, (6.0, 6.0), (-3.0, -3.0))
    assert np.allclose(whole.coords_NX.numpy(), np.stack([arrays["x"].ravel(), arrays["y"].ravel()], 1))
    assert np.array_equal(whole.fields["u"].numpy(), U[round(whole.condition["c"])].reshape(5, 24, 1))
    assert "grid of 6 × 4 is curvilinear or unevenly spaced; its points become scattered" in data.remarks()[0]
    mapped = Npz(path=path, uneven="index", space_stride=2)
    spec, whole = mapped.spec(), wholes(mapped)[0]
    assert (spec.grid_shape, spec.extent) == ((3, 2), (1.0, 1.0))
    assert [field.name for field in spec.inputs + spec.targets] == ["u", "coordinates", "u"]
    assert np.allclose(whole.fields["coordinates"][0, :, 1].numpy(), arrays["y"][::2, ::2].ravel())
    with pytest.raises(DataError, match="curvilinear or unevenly spaced, so it cannot be periodic"):
        Npz(path=path, periodic=[False, True]).spec()


def test_an_unevenly_spaced_axis(tmp_path: Path) -> None:
    path = tmp_path / "stretched.npz"
    np.savez(path, **(FLOW | {"x": np.arange(6.0) ** 2}))
    assert Npz(path=path).spec().grid_shape is None
    measure = wholes(Npz(path=path))[0].measure_N
    assert measure is not None
    assert measure.reshape(6, 4)[:, 1].tolist() == pytest.approx([0.5 / 4, 2 / 4, 4 / 4, 6 / 4, 8 / 4, 4.5 / 4])
    mapped = Npz(path=path, uneven="index")
    found = wholes(mapped)[0].measure_N
    assert found is not None
    assert torch.equal(found, measure)  # the indices are even, the cells are not
    coordinates = wholes(mapped)[0].fields["coordinates"].numpy().reshape(6, 4, 2)
    assert np.array_equal(coordinates[:, 1, 0], np.arange(6.0) ** 2)
    assert np.array_equal(coordinates[1, :, 1], np.arange(4.0) / 4)


def test_components_are_one_vector_field(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **FLOW, v=-U)
    data = Npz(path=path, inputs=["velocity"], vectors={"velocity": ["u", "v"]})
    assert [(field.name, field.channels) for field in data.spec().fields] == [("velocity", 2)]
    velocity = wholes(data)[0].fields["velocity"]
    assert torch.equal(velocity[..., 1], -velocity[..., 0])
    with pytest.raises(DataError, match="there is no array called 'w'"):
        Npz(path=path, inputs=["velocity"], vectors={"velocity": ["u", "w"]}).spec()


def test_trajectories_of_different_length(tmp_path: Path) -> None:
    early = U.copy()
    early[2, 3:] = np.nan
    path = tmp_path / "a.npz"
    np.savez(path, **(FLOW | {"u": early}), steps=np.array([5, 5, 3, 5, 5, 5, 4]))
    data = Npz(path=path, conditions=["c"])
    assert {whole.condition["c"]: len(whole.time_T) for whole in wholes(data)} == {
        n: 3 if n == 2 else 5 for n in range(7)
    }
    assert data.remarks()[0].endswith("1 of 7 trajectories end before the last of 5 time steps, the earliest, trajectory 2, after 3")  # fmt: skip  # noqa: E501
    data = Npz(path=path, conditions=["c"], lengths="steps")
    assert [len(w.time_T) for w in sorted(wholes(data), key=lambda w: w.condition["c"])] == [5, 5, 3, 5, 5, 5, 4]
    early[2, 1, 0] = np.nan
    np.savez(path, **(FLOW | {"u": early}), steps=np.array([5, 5, 3, 5, 5, 5, 7]))
    with pytest.raises(DataError, match="'u', trajectory 2, time step 1: 4 of 24 values are NaN"):
        wholes(Npz(path=path))
    with pytest.raises(DataError, match="'steps': expected a whole number from 1 to 5 for each of 7 trajectories"):
        Npz(path=path, lengths="steps").spec()
    early[2] = np.nan
    np.savez(path, **(FLOW | {"u": early}))
    with pytest.raises(DataError, match="trajectory 2: every value is NaN; remove this trajectory"):
        wholes(Npz(path=path))


def test_times_of_each_trajectory(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    times = np.arange(7.0)[:, None] + FLOW["t"]
    np.savez(path, **(FLOW | {"t": times}))
    for whole in wholes(Npz(path=path, conditions=["c"])):
        assert np.allclose(whole.time_T.numpy(), times[round(whole.condition["c"])])
    np.savez(path, **(FLOW | {"t": times[:3]}))
    with pytest.raises(DataError, match="'t': has 3 rows of times for 7 trajectories"):
        Npz(path=path).spec()


def test_conditions_over_time(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    force = np.random.default_rng(1).random((7, 5))
    np.savez(path, **FLOW, force=force)
    data = Npz(path=path, conditions=["c", "force"], time_stride=2)
    train = data.trajectories("train")
    for index in range(len(train)):
        window = train.read(index, 1, 3)
        assert window.condition["force"].tolist() == force[round(window.condition["c"]), [2, 4]].tolist()  # type: ignore[union-attr, arg-type]
    with pytest.raises(
        DataError, match=r"'x' has shape \(6,\) .*one number for each trajectory, .*each time, \(7, 5\)"
    ):
        Npz(path=path, conditions=["x"]).spec()


def test_float64_keeps_its_digits(tmp_path: Path) -> None:
    pressure = 101325 + 0.02 * U.astype(np.float64)
    np.savez(tmp_path / "a.npz", **(FLOW | {"u": pressure}))
    whole = wholes(Npz(path=tmp_path / "a.npz", conditions=["c"]))[0]
    assert np.array_equal(whole.fields["u"].numpy(), pressure[round(whole.condition["c"])].reshape(5, 24, 1))  # type: ignore[arg-type]


def test_history_is_what_the_model_sees(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **FLOW)
    spec = Npz(path=tmp_path / "a.npz", history=3).spec()
    assert (spec.history, spec.channels, spec.input_channels) == (3, 1, 3)
    np.savez(tmp_path / "b.npz", **(FLOW | {"u": U[:, 0]}))
    with pytest.raises(DataError, match="a steady problem has no time, and so no history"):
        Npz(path=tmp_path / "b.npz", steady=True, history=2).spec()
    with pytest.raises(ValueError, match="Npz: history must be at least 1; got 0"):
        Npz(path=tmp_path / "b.npz", history=0)


def test_large_arrays_stay_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from upt_data.arrays import npz as archive

    monkeypatch.setattr(archive, "MAPPED_BYTES", 0)
    np.savez(tmp_path / "a.npz", **(FLOW | {"u": np.asfortranarray(U)}))
    source = archive.open_npz(tmp_path / "a.npz")
    base: Any = source.read("u", (slice(None),) * 4)
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap)
    assert np.array_equal(source.whole("u"), U)
    assert np.array_equal(source.whole("c"), FLOW["c"])


@pytest.mark.parametrize("version", [2, 3])
def test_genuine_zarr_stores(real_data: Path, version: int) -> None:
    pytest.importorskip("zarr")
    data = Zarr(path=real_data / "zarr" / f"burgers1d_v{version}.zarr", conditions=["nu"], periodic=True)
    assert data.spec().grid_shape == (128,)
    whole = wholes(data)[0]
    assert (tuple(whole.fields["u"].shape), whole.condition) == ((41, 128, 1), {"nu": 0.01})


@pytest.mark.parametrize("extra", [(5,), (6,), (6, 5)], ids=["in time", "by trajectory", "both"])
@pytest.mark.parametrize("curved", [False, True], ids=["one axis", "curvilinear"])
def test_coordinates_for_each_time_or_trajectory_count_where_they_stay(
    tmp_path: Path, extra: tuple[int, ...], curved: bool
) -> None:
    x, y = np.meshgrid(np.arange(8) / 8, np.arange(4) / 4, indexing="ij")
    own: Arrays = {"x": x + 0.1 * y, "y": y} if curved else {"x": np.arange(8) / 8}
    u = np.random.default_rng(0).random((6, 5, 8, 4) if curved else (6, 5, 8))
    plain = {"u": u, "t": np.arange(5.0)}
    np.savez(tmp_path / "once.npz", **plain, **own)
    np.savez(tmp_path / "often.npz", **plain, **{n: np.tile(v, (*extra, *(1,) * v.ndim)) for n, v in own.items()})
    once, often = (Npz(path=tmp_path / f"{name}.npz") for name in ("once", "often"))
    assert once.spec() == often.spec()
    assert torch.equal(once.everything().read(3, 0, 5).coords_NX, often.everything().read(3, 0, 5).coords_NX)
    moved = {n: np.tile(v, (*extra, *(1,) * v.ndim)) for n, v in own.items()}
    moved["x"].reshape(-1, *own["x"].shape)[2] += 0.01
    np.savez(tmp_path / "moves.npz", **plain, **moved)
    first = re.escape(str((0,) * (len(extra) - 1) + (2,)))
    with pytest.raises(DataError, match=rf"moves.npz, 'x': shape .* the coordinates move, first at index {first}"):
        Npz(path=tmp_path / "moves.npz").spec()


@pytest.mark.parametrize("wraps", [True, False], ids=["seam closed", "seam open"])
def test_a_grid_of_indices_keeps_its_neighbours_across_the_seam_of_an_o(tmp_path: Path, wraps: bool) -> None:
    """The whole sample turned around the body by a token: the latent turns with it, where the seam is no border."""
    r, angle = np.meshgrid(np.linspace(1, 3, 6), np.arange(8) * np.pi / 4, indexing="ij")
    u = np.random.default_rng(0).standard_normal((5, 3, 6, 8))
    for name, turn in (("o", 0), ("turned", 2)):
        arrays = {"u": u, "x": r * np.cos(angle), "y": r * np.sin(angle)}
        np.savez(tmp_path / f"{name}.npz", t=np.arange(3.0), **{n: np.roll(v, turn, -1) for n, v in arrays.items()})
    torch.manual_seed(0)
    found = []
    for name in ("o", "turned"):
        data = PreparedData(Npz(path=tmp_path / f"{name}.npz", uneven="index", periodic=[False, wraps]))
        if not found:
            encoder = PatchesEncoder(data.data, LatentSpec.on_lattice((3, 4), 8)).eval()
        batch = data.batches("train", 1, 2)[0]
        with torch.no_grad():
            found.append(encoder(batch.input_BNC, batch.points).reshape(2, 3, 4, 8))
    same = torch.allclose(found[1], found[0].roll(1, 2), atol=1e-5)
    assert same == wraps
