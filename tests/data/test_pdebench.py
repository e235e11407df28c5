"""pdebench: every layout in small files of our own and in the genuine ones, and what is wrong with others."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from upt_core import DataError, Trajectories
from upt_data.pdebench import PdeBench

Arrays = dict[str, Any]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def cells(num: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return (low + (np.arange(num) + 0.5) * (high - low) / num).astype(np.float32)


def write(path: Path, arrays: Arrays, attrs: Arrays | None = None) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file[name] = value
        file.attrs.update(attrs or {})
    return path


def times(num: int) -> np.ndarray:
    return np.arange(num, dtype=np.float32) * 0.5


def tensor_file(num: int = 10) -> Arrays:
    return {"tensor": noise(num, 7, 12), "x-coordinate": cells(12, -1, 1), "t-coordinate": times(8)}


def darcy_file() -> Arrays:
    axes = {"x-coordinate": cells(6), "y-coordinate": cells(4)}
    return {"nu": noise(10, 6, 4), "tensor": noise(10, 1, 6, 4, seed=1), **axes}


def cfd_file() -> Arrays:
    fields = {name: noise(10, 5, 6, 4, seed=seed) for seed, name in enumerate(("density", "pressure", "Vx", "Vy"))}
    return {**fields, "x-coordinate": cells(6), "y-coordinate": cells(4, 0, 2), "t-coordinate": times(6)}


def groups_file() -> Arrays:
    arrays: Arrays = {}
    for number in range(11):  # without padding of the names, so that '10' sorts before '2' as text
        arrays[f"{number}/data"] = noise(5, 6, 4, 2, seed=number)
        arrays |= {f"{number}/grid/x": cells(6), f"{number}/grid/y": cells(4), f"{number}/grid/t": times(5)}
    return arrays


def ns_file() -> Arrays:
    velocity, particles = noise(6, 5, 4, 4, 2), noise(6, 5, 4, 4, 1, seed=1)
    return {"velocity": velocity, "particles": particles, "force": noise(6, 4, 4, 2), "t": np.tile(times(5), (6, 1))}


def whole(trajectories: Trajectories, index: int = 0) -> dict[str, torch.Tensor]:
    return trajectories.read(index, 0, trajectories.num_times(index)).fields


def read_everything(data: PdeBench) -> None:
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        for index in range(len(trajectories)):
            whole(trajectories, index)


def number_in_file(value: torch.Tensor, all_values: np.ndarray) -> int:
    """Which trajectory of the file this is, bit for bit."""
    (number,) = (i for i, one in enumerate(all_values) if np.array_equal(one.ravel(), value.numpy().ravel()))
    return number


def test_tensor_layout_with_a_time_axis_that_is_one_too_long(tmp_path: Path) -> None:
    arrays = tensor_file()
    data = PdeBench(path=write(tmp_path / "burgers.hdf5", arrays), field="v")
    spec = data.spec()
    assert (spec.extent, spec.periodic, spec.grid_shape) == (pytest.approx((2.0,)), (True,), (12,))
    assert [field.name for field in spec.inputs] == [field.name for field in spec.targets] == ["v"]
    found = set()
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        found |= {number_in_file(whole(trajectories, i)["v"], arrays["tensor"]) for i in range(len(trajectories))}
    assert found == set(range(10))
    window = data.trajectories("train").read(2, 3, 5)
    assert torch.equal(window.fields["v"], whole(data.trajectories("train"), 2)["v"][3:5])
    assert window.time_T.tolist() == [1.5, 2.0]
    assert window.coords_NX.dtype == torch.float32
    assert torch.equal(window.coords_NX[:, 0], torch.from_numpy(cells(12, -1, 1)))


def test_strides_and_limits(tmp_path: Path) -> None:
    arrays = tensor_file()
    path = write(tmp_path / "a.hdf5", arrays)
    data = PdeBench(path=path, time_stride=3, space_stride=4, num_trajectories=5)
    assert data.spec().grid_shape == (3,)
    assert data.spec().extent == pytest.approx((2.0,))
    train = data.trajectories("train")
    assert (len(train), train.num_times(0)) == (3, 3)
    assert number_in_file(whole(train)["u"], arrays["tensor"][:, ::3, ::4]) < 5
    last = train.read(0, 1, 3)
    assert last.time_T.tolist() == [1.5, 3.0]
    assert torch.equal(last.fields["u"], whole(train)["u"][1:3])


def test_darcy_layout_is_steady(tmp_path: Path) -> None:
    arrays = darcy_file()
    data = PdeBench(path=write(tmp_path / "darcy.hdf5", arrays))
    spec = data.spec()
    assert spec.steady
    assert (spec.grid_shape, spec.periodic) == ((6, 4), (False, False))
    assert [field.name for field in spec.inputs + spec.targets] == ["nu", "u"]
    train = data.trajectories("train")
    assert train.num_times(0) == 1
    fields = whole(train)
    assert number_in_file(fields["nu"], arrays["nu"]) == number_in_file(fields["u"], arrays["tensor"])


def test_cfd_layout_joins_the_velocity(tmp_path: Path) -> None:
    arrays = cfd_file()
    data = PdeBench(path=write(tmp_path / "cfd.hdf5", arrays))
    spec = data.spec()
    assert [(field.name, field.channels) for field in spec.fields] == [("density", 1), ("pressure", 1), ("velocity", 2)]
    assert (spec.extent, spec.periodic) == (pytest.approx((1.0, 2.0)), (True, True))
    fields = whole(data.trajectories("test"))
    number = number_in_file(fields["density"], arrays["density"])
    assert number_in_file(fields["velocity"][..., 1], arrays["Vy"]) == number
    assert fields["velocity"].shape == (5, 24, 2)
    other = PdeBench(path=write(tmp_path / "2D_CFD_trans_Train.hdf5", arrays))
    assert other.spec().periodic == (False, False)
    assert PdeBench(path=tmp_path / "2D_CFD_trans_Train.hdf5", periodic=True).spec().periodic == (True, True)


def test_groups_layout_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    arrays = groups_file()
    data = PdeBench(path=write(tmp_path / "groups.h5", arrays), num_trajectories=3)
    assert (data.spec().grid_shape, data.spec().periodic, data.spec().channels) == ((6, 4), (False, False), 2)
    splits = [data.trajectories(split) for split in ("train", "valid", "test")]
    ours = np.stack([arrays[f"{number}/data"] for number in range(11)])
    assert {number_in_file(whole(split)["u"], ours) for split in splits} == {0, 1, 2}


def test_incompressible_layout_ends_where_the_simulation_broke_off(tmp_path: Path) -> None:
    arrays = ns_file()
    path = write(tmp_path / "ns.h5", arrays, attrs={"latestIndex": 3})
    data = PdeBench(path=path)
    spec = data.spec()
    assert [(f.name, f.channels) for f in spec.inputs] == [("velocity", 2), ("particles", 1), ("force", 2)]
    assert [f.name for f in spec.targets] == ["velocity", "particles"]
    assert spec.extent == (4.0, 4.0)
    train = data.trajectories("train")
    assert train.num_times(0) == 4
    window = train.read(0, 1, 3)
    number = number_in_file(window.fields["force"], arrays["force"])
    assert window.fields["force"].shape == (1, 16, 2)
    assert np.array_equal(window.fields["velocity"].numpy(), arrays["velocity"][number, 1:3].reshape(2, 16, 2))
    assert window.coords_NX[0].tolist() == [0.5, 0.5]


def test_reading_survives_pickling_and_worker_processes(tmp_path: Path) -> None:
    train = PdeBench(path=write(tmp_path / "a.hdf5", tensor_file())).trajectories("train")
    expected = [whole(train, i)["u"] for i in range(len(train))]  # the file is open in this process from here on
    again = pickle.loads(pickle.dumps(train))
    assert torch.equal(whole(again, 1)["u"], expected[1])

    class Samples(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(train)

        def __getitem__(self, index: int) -> torch.Tensor:
            return whole(train, index)["u"]

    loader = DataLoader(Samples(), batch_size=None, num_workers=2)
    for found, value in zip(loader, expected, strict=True):
        assert torch.equal(found, value)


def changed(make: Callable[[], Arrays], **changes: Any) -> Arrays:
    arrays = {**make(), **{name.replace("_", "-"): value for name, value in changes.items()}}
    return {name: value for name, value in arrays.items() if value is not None}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"u": noise(2, 3)}, r"none of the layouts of PDEBench.*found: u \(2, 3\)"),
        ({}, "none of the layouts of PDEBench.*found: nothing"),
        (changed(tensor_file, x_coordinate=None), "there is no dataset 'x-coordinate'; found: t-coordinate"),
        (changed(tensor_file, t_coordinate=None), "none of the layouts .*found: tensor"),
        (changed(tensor_file, t_coordinate=times(6)), "'/t-coordinate' has 6 times, the fields have 7"),
        (changed(tensor_file, t_coordinate=times(7)[::-1]), "must rise, but position 0 has 3 and position 1 has 2.5"),
        (changed(tensor_file, x_coordinate=cells(11)), "'x-coordinate' has 11 points, the fields have 12"),
        (changed(tensor_file, x_coordinate=cells(12) ** 2), "the points are not evenly spaced"),
        (changed(tensor_file, x_coordinate=cells(12) * np.nan), "a coordinate is NaN or infinite at position 0"),
        (changed(tensor_file, tensor=noise(4, 5)), r"'tensor' has shape \(4, 5\); expected \(trajectories, times"),
        (changed(darcy_file, nu=noise(9, 6, 4)), r"'nu' \(9, 6, 4\) and 'tensor' \(10, 1, 6, 4\) do not fit"),
        (changed(cfd_file, Vy=None), "a velocity component is missing: Vy; found"),
        (changed(cfd_file, Vy=noise(10, 5, 6, 5)), r"should all be \(trajectories, times, \*grid\); found"),
        ({"0000/u": noise(3)}, "group '0000' should hold 'data' and 'grid'; found"),
        (changed(ns_file, particles=noise(6, 4, 4, 4, 1)), "'velocity' .* and 'particles' .* do not fit"),
    ],
)  # fmt: skip
def test_other_layouts_are_named_with_what_was_found(tmp_path: Path, arrays: Arrays, message: str) -> None:
    path = write(tmp_path / "wrong.hdf5", arrays)
    with pytest.raises(DataError, match=message):
        PdeBench(path=path).spec()
    path.unlink()  # the file is closed again: this works, also where open files cannot be removed


def test_missing_truncated_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.hdf5: expected a file, but it does not exist"):
        PdeBench(path=tmp_path / "gone.hdf5").spec()
    path = write(tmp_path / "cut.hdf5", tensor_file())
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"cut.hdf5: not a complete HDF5 file \(3000 bytes; .*truncated"):
        PdeBench(path=path).spec()
    path.write_bytes(b"not hdf5 at all")
    with pytest.raises(DataError, match=r"cut.hdf5: not a complete HDF5 file \(15 bytes"):
        PdeBench(path=path).trajectories("train")


def test_values_that_are_not_finite_name_field_trajectory_and_time(tmp_path: Path) -> None:
    arrays = cfd_file()
    arrays["Vy"][4, 2, 0, :3] = np.inf
    data = PdeBench(path=write(tmp_path / "bad.hdf5", arrays), time_stride=2)
    message = r"bad.hdf5, 'Vx' and 'Vy', trajectory 4, time step 2: 3 of 48 values are NaN or infinite"
    with pytest.raises(DataError, match=message):
        read_everything(data)


def test_a_group_of_another_shape_is_named(tmp_path: Path) -> None:
    arrays = groups_file()
    arrays["3/data"] = noise(5, 6, 5, 2)
    data = PdeBench(path=write(tmp_path / "groups.h5", arrays))
    with pytest.raises(DataError, match=r"'data', trajectory 3: found \(5, 30, 2\).* expected \(5, 24, 2\)"):
        read_everything(data)


def test_settings_that_leave_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", tensor_file())
    with pytest.raises(DataError, match="time_stride 7 leaves fewer than 2 of 7 time steps"):
        PdeBench(path=path, time_stride=7).trajectories("train")
    with pytest.raises(DataError, match="axis x: space_stride 5 does not divide the 12 points of a periodic axis"):
        PdeBench(path=path, space_stride=5).spec()
    with pytest.raises(DataError, match="axis x: space_stride 12 leaves fewer than 2 of 12 points"):
        PdeBench(path=path, space_stride=12).spec()
    small = write(tmp_path / "small.hdf5", tensor_file(2))
    with pytest.raises(
        DataError, match=r"small.hdf5: 2 trajectories cannot be split into 1 for validation, 1 for test"
    ):
        PdeBench(path=small).trajectories("train")
    with pytest.raises(ValueError, match="PdeBench: num_trajectories must be at least 1; got 0"):
        PdeBench(path=path, num_trajectories=0)


GENUINE = {
    "1D/Burgers/1D_Burgers_Sols_Nu0.01.hdf5": ((256,), 1.0, 41, ["u"]),
    "1D/Advection/1D_Advection_Sols_beta0.4.hdf5": ((256,), 1.0, 41, ["u"]),
    "1D/ReactionDiffusion/ReacDiff_Nu0.5_Rho1.0.hdf5": ((128,), 1.0, 21, ["u"]),
    "1D/CFD/1D_CFD_Rand_Eta0.01_Zeta0.01_periodic_Train.hdf5": ((128,), 1.0, 21, ["density", "pressure", "velocity"]),
    "1D/diffusion-sorption/1D_diff-sorp_NA_NA.h5": ((128,), 1.0, 26, ["u"]),
    "2D/diffusion-reaction/2D_diff-react_NA_NA.h5": ((64, 64), 2.0, 11, ["u"]),
    "2D/shallow-water/2D_rdb_NA_NA.h5": ((64, 64), 5.0, 11, ["u"]),
    "2D/DarcyFlow/2D_DarcyFlow_beta1.0_Train.hdf5": ((64, 64), 1.0, 1, ["nu", "u"]),
    "2D/CFD/2D_CFD_Rand_M0.1_Eta0.01_Zeta0.01_periodic_64_Train.hdf5": (
        (64, 64), 1.0, 11, ["density", "pressure", "velocity"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_files(real_data: Path, name: str) -> None:
    shape, extent, num_times, fields = GENUINE[name]
    data = PdeBench(path=real_data / "pdebench" / name)
    spec = data.spec()
    assert (spec.grid_shape, [field.name for field in spec.fields]) == (shape, fields)
    assert spec.extent == pytest.approx((extent,) * len(shape), rel=1e-5)
    train = data.trajectories("train")
    assert train.num_times(0) == num_times
    assert set(whole(train)) == set(fields)


def test_genuine_advection_moves_by_its_velocity(real_data: Path) -> None:
    data = PdeBench(path=real_data / "pdebench" / "1D/Advection/1D_Advection_Sols_beta0.4.hdf5")
    whole_time = data.trajectories("valid").read(0, 0, 26)
    assert whole_time.time_T[25] == pytest.approx(1.25)
    assert torch.equal(whole_time.fields["u"][25], whole_time.fields["u"][0].roll(128, 0))


def test_genuine_incompressible_flow_has_too_few_for_a_split(real_data: Path) -> None:
    data = PdeBench(path=real_data / "pdebench" / "2D/NS_incom/ns_incom_inhom_2d_64-0.h5")
    assert [field.name for field in data.spec().inputs] == ["velocity", "particles", "force"]
    with pytest.raises(DataError, match="2 trajectories cannot be split"):
        data.trajectories("train")
