"""What each reader can hold beside the state: constant and given fields, parameters, categories, holes.

Every cell of the table in docs/data.md is tried on a file that is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from upt_core import DataError, Dataset
from upt_core.data.prepared import PreparedData
from upt_data.frames import Frames
from upt_data.hdf5_arrays import Hdf5
from upt_data.mat_arrays import Mat
from upt_data.mesh import Mesh
from upt_data.netcdf_arrays import NetCdf
from upt_data.npz import Npz
from upt_data.pdebench import PdeBench
from upt_data.point_frames import PointFrames
from upt_data.points import PointClouds
from upt_data.the_well import TheWell
from upt_data.zarr_arrays import Zarr

NUM, TIMES, SHAPE = 4, 5, (6, 3)
RNG = np.random.default_rng(0)
U, F = RNG.standard_normal((2, NUM, TIMES, *SHAPE))
A = RNG.standard_normal((NUM, *SHAPE))
NU = np.arange(NUM) + 0.5
DRIVE = RNG.standard_normal((NUM, TIMES))
HOLE = (slice(None), slice(None), 0, 1)
AXES: dict[str, Any] = {"x": np.arange(6.0), "y": np.arange(3.0), "t": np.arange(TIMES) * 0.5}
ARRAYS: dict[str, Any] = {"u": U, "f": F, "a": A, "nu": NU, "drive": DRIVE}
METALS = ["steel", "copper", "steel", "copper"]
KINDS = {"material": ["steel", "copper"]}
GIVEN: dict[str, Any] = {"inputs": ["u", "f", "a"], "targets": ["u"]}


@dataclass(frozen=True)
class Wanted:
    """What is to be in the files, and how it is asked for."""

    constant: bool = False
    given: bool = False
    parameter: bool = False
    drive: bool = False
    category: bool = False
    holes: bool = False

    @property
    def fields(self) -> list[str]:
        return ["u", *(["f"] if self.given else []), *(["a"] if self.constant else [])]

    @property
    def names(self) -> list[str]:
        told = {"nu": self.parameter, "drive": self.drive, "material": self.category}
        return [name for name, wanted in told.items() if wanted]

    @property
    def settings(self) -> dict[str, Any]:
        """Those that data sets in files share."""
        return {
            "conditions": self.names,
            **({"categories": KINDS} if self.category else {}),
            **({"holes": "nan"} if self.holes else {}),
        }


def state(wanted: Wanted) -> np.ndarray:
    value = U.copy()
    if wanted.holes:
        value[HOLE] = np.nan
    return value


def arrays_of(wanted: Wanted) -> dict[str, Any]:
    found = {"u": state(wanted)} | {name: ARRAYS[name] for name in wanted.fields[1:]}
    found |= {name: ARRAYS[name] for name in wanted.names if name != "material"}
    return found | ({"material": np.array(METALS)} if wanted.category else {}) | AXES


def grid_arrays(
    kind: type[Dataset], write: Callable[[Path, dict[str, Any]], Path]
) -> Callable[[Path, Wanted], Dataset]:
    def make(root: Path, wanted: Wanted) -> Dataset:
        path = write(root / "a", arrays_of(wanted))
        settings = {"inputs": wanted.fields, "targets": ["u"], **wanted.settings}
        return kind(path=path, **settings)

    return make


def as_npz(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path.with_suffix(".npz"), **arrays)
    return path.with_suffix(".npz")


def as_hdf5(path: Path, arrays: dict[str, Any]) -> Path:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for name, value in arrays.items():
            file[name] = value.astype("S") if value.dtype.kind == "U" else value
    return path.with_suffix(".h5")


def as_zarr(path: Path, arrays: dict[str, Any]) -> Path:
    group = pytest.importorskip("zarr").open_group(path.with_suffix(".zarr"), mode="w", zarr_format=2)
    for name, value in arrays.items():
        group.create_array(name, data=value)
    return path.with_suffix(".zarr")


def as_netcdf(path: Path, arrays: dict[str, Any]) -> Path:
    xarray = pytest.importorskip("xarray")
    whole = ("trajectory", "t", "x", "y")
    dims: dict[str, tuple[str, ...]] = {"u": whole, "f": whole, "a": ("trajectory", "x", "y")}
    dims |= {"drive": ("trajectory", "t"), "nu": ("trajectory",), "material": ("trajectory",)}
    dims |= {name: (name,) for name in AXES}
    data = xarray.Dataset({name: (dims[name], value) for name, value in arrays.items()})
    data.to_netcdf(path.with_suffix(".nc"), engine="h5netcdf")
    return path.with_suffix(".nc")


def as_mat(path: Path, arrays: dict[str, Any]) -> Path:
    pytest.importorskip("scipy.io").savemat(path.with_suffix(".mat"), arrays)
    return path.with_suffix(".mat")


def as_points(root: Path, wanted: Wanted) -> Dataset:
    arrays = arrays_of(wanted)
    for name in wanted.fields:
        value = arrays[name]
        rows = value.reshape(NUM, -1, 18) if name != "a" else value.reshape(NUM, 1, 18)
        arrays[name] = np.concatenate(list(rows.swapaxes(1, 2)))[:, slice(None) if name != "a" else 0]
    pos = np.stack(np.meshgrid(AXES["x"], AXES["y"], indexing="ij"), -1).reshape(-1, 2)
    arrays |= {"pos": np.tile(pos, (NUM, 1)), "ptr": np.arange(NUM + 1) * 18}
    np.savez(root / "a.npz", **arrays)
    return PointClouds(path=root / "a.npz", inputs=wanted.fields, targets=["u"], **wanted.settings)


def folders(root: Path, wanted: Wanted, write: Callable[[Path, int], None]) -> dict[str, Any]:
    """A folder for each trajectory; parameters in the folders' names, or in a table with a row for each time step."""
    for number in range(NUM):
        name = f"run_{number}" + (f"_{NU[number]:g}_{METALS[number]}" if wanted.parameter or wanted.category else "")
        (root / name).mkdir(parents=True)
        write(root / name, number)
    settings: dict[str, Any] = {"path": root / "run_*", **wanted.settings}
    if wanted.parameter or wanted.category:
        settings["path"] = root / "run_*_{nu}_{material}"
        settings["categories"] = KINDS
    if wanted.drive:
        settings["table"] = stepwise(root, [path.name for path in sorted(root.glob("run_*"))])
    return settings


def stepwise(root: Path, names: list[str]) -> Path:
    rows = [f"{name},{step},{DRIVE[number, step]!r}" for number, name in enumerate(names) for step in range(TIMES)]
    (root / "table.csv").write_text("file,step,drive\n" + "\n".join(rows).replace("np.float64(", "").replace(")", ""))
    return root / "table.csv"


def values_of(wanted: Wanted, number: int, step: int) -> list[np.ndarray]:
    """The fields of one frame."""
    of = {"u": state(wanted)[number, step], "f": F[number, step], "a": A[number]}
    return [of[name] for name in wanted.fields]


def as_frames(root: Path, wanted: Wanted) -> Dataset:
    def write(folder: Path, number: int) -> None:
        for step in range(TIMES):
            np.save(folder / f"{step}.npy", np.stack(values_of(wanted, number, step), -1))

    settings = folders(root, wanted, write)
    return Frames(fields=dict.fromkeys(wanted.fields, 1), targets=["u"], time_step=0.5, **settings)


def as_point_frames(root: Path, wanted: Wanted) -> Dataset:
    pos = np.stack(np.meshgrid(AXES["x"], AXES["y"], indexing="ij"), -1).reshape(-1, 2)

    def write(folder: Path, number: int) -> None:
        for axis, name in enumerate("xy"):
            torch.save(torch.from_numpy(pos[:, axis].copy()), folder / f"{name}.th")
        for step in range(TIMES):
            values = [value.flatten() for value in values_of(wanted, number, step)]
            torch.save(torch.from_numpy(np.stack(values)), folder / f"{step:08d}_mesh.th")

    settings = folders(root, wanted, write)
    return PointFrames(fields=dict.fromkeys(wanted.fields, 1), targets=["u"], time_step=0.5, **settings)


def as_mesh(root: Path, wanted: Wanted) -> Dataset:
    meshio = pytest.importorskip("meshio")
    pos = np.stack(np.meshgrid(AXES["x"], AXES["y"], [0.0], indexing="ij"), -1).reshape(-1, 3)

    def write(folder: Path, number: int) -> None:
        for step in range(TIMES):
            values = zip(wanted.fields, values_of(wanted, number, step), strict=True)
            data = {name: value.flatten() for name, value in values}
            meshio.Mesh(pos, [("triangle", np.array([[0, 1, 4]]))], data).write(folder / f"{step}.vtu")

    settings = folders(root, wanted, write)
    return Mesh(inputs=wanted.fields, targets=["u"], time_step=0.5, **settings)


def as_the_well(root: Path, wanted: Wanted) -> Dataset:
    with h5py.File(root / "a.hdf5", "w") as file:
        file.attrs.update({"n_trajectories": NUM, "n_spatial_dims": 2, "grid_type": "cartesian"})
        values = {"u": (state(wanted), True), "f": (F, True), "a": (A, False)}
        for name in wanted.fields:
            value, moves = values[name]
            file[f"t0_fields/{name}"] = value
            about = {"sample_varying": True, "time_varying": moves, "dim_varying": [True, True]}
            file[f"t0_fields/{name}"].attrs.update(about)
        file["t0_fields"].attrs["field_names"] = wanted.fields
        for name, axis in (("x", "x"), ("y", "y"), ("time", "t")):
            file[f"dimensions/{name}"] = AXES[axis]
        file["dimensions"].attrs["spatial_dims"] = ["x", "y"]
        scalars = {"nu": (NU, False), "drive": (DRIVE, True)}
        numbers = [name for name in wanted.names if name in scalars]
        for name in numbers:
            file[f"scalars/{name}"] = scalars[name][0]
            file[f"scalars/{name}"].attrs.update({"sample_varying": True, "time_varying": scalars[name][1]})
        file.require_group("scalars").attrs["field_names"] = numbers
        file.create_group("boundary_conditions")
    settings = dict(wanted.settings)
    if wanted.category:
        settings["table"] = by_trajectory(root, "material", METALS)
    return TheWell(path=root / "a.hdf5", targets=["u"], **settings)


def by_trajectory(root: Path, name: str, values: Iterable[object]) -> Path:
    rows = "\n".join(f"{number},{value}" for number, value in enumerate(values))
    (root / "table.csv").write_text(f"trajectory,{name}\n{rows}\n")
    return root / "table.csv"


def as_pdebench(root: Path, wanted: Wanted) -> Dataset:
    with h5py.File(root / "a.h5", "w") as file:
        file["tensor"] = state(wanted)[..., 0] if not wanted.holes else np.where(np.arange(6) == 0, np.nan, U[..., 0])
        file["x-coordinate"], file["t-coordinate"] = AXES["x"], np.arange(TIMES + 1) * 0.5
    settings = dict(wanted.settings)
    if wanted.parameter:
        settings["table"] = by_trajectory(root, "nu", NU)
    if wanted.category:
        settings["table"] = by_trajectory(root, "material", METALS)
    if wanted.drive:
        rows = "\n".join(f"{n},{step},{float(DRIVE[n, step])!r}" for n in range(NUM) for step in range(TIMES))
        (root / "table.csv").write_text("trajectory,step,drive\n" + rows)
        settings["table"] = root / "table.csv"
    return PdeBench(path=root / "a.h5", **settings)


READERS: dict[str, Callable[[Path, Wanted], Dataset]] = {
    "npz": grid_arrays(Npz, as_npz),
    "hdf5": grid_arrays(Hdf5, as_hdf5),
    "zarr": grid_arrays(Zarr, as_zarr),
    "netcdf": grid_arrays(NetCdf, as_netcdf),
    "mat": grid_arrays(Mat, as_mat),
    "points": as_points,
    "frames": as_frames,
    "point_frames": as_point_frames,
    "mesh": as_mesh,
    "the_well": as_the_well,
    "pdebench": as_pdebench,
}
WANTED = {
    "constant field": Wanted(constant=True),
    "given field": Wanted(given=True),
    "parameter": Wanted(parameter=True),
    "parameter in time": Wanted(drive=True),
    "category": Wanted(category=True),
    "holes": Wanted(holes=True),
}


def table() -> dict[str, dict[str, str]]:
    """reader → capability → what docs/data.md says."""
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    part = page.split("### What each reader can hold besides the state")[1].split("\n\n")[2]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in part.splitlines()]
    return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[2:]}


TABLE = table()
CELLS = [(reader, name) for reader in READERS for name in WANTED]


def test_the_table_names_every_reader_and_capability() -> None:
    assert list(TABLE) == list(READERS)
    assert all(list(row) == list(WANTED) for row in TABLE.values())


@pytest.mark.parametrize(("reader", "name"), [cell for cell in CELLS if TABLE[cell[0]][cell[1]] != "no"])
def test_a_reader_holds_what_the_table_says(reader: str, name: str, tmp_path: Path) -> None:
    wanted = WANTED[name]
    data = READERS[reader](tmp_path, wanted)
    prepared = PreparedData(data, normalize="none")
    batch = prepared.batches("test", 2, 1)[0]
    if wanted.constant or wanted.given:
        assert [field.name for field in prepared.data.given] == wanted.fields[1:]
        number = which(batch.input_BNC[0, :, 0])
        expected = A[number] if wanted.constant else F[number, 0]
        assert np.allclose(batch.input_BNC[0, :, 1].numpy(), expected.flatten(), atol=1e-6)
    if wanted.given:
        assert batch.given_BTNC is not None
        assert np.allclose(batch.given_BTNC[0, :, :, 0].numpy(), F[number, 1:3].reshape(2, -1), atol=1e-6)
    check_told(wanted, data)
    if wanted.holes:
        assert prepared.data.grid_shape is None
        assert batch.points.num_points == (5 if reader == "pdebench" else 17)


def check_told(wanted: Wanted, data: Dataset) -> None:
    """Conditions are those of the trajectory, and of the time step."""
    whole = data.everything()
    for index in range(len(whole)) if wanted.names else ():
        read = whole.read(index, 1, 4)
        number = next(n for n in range(NUM) if np.allclose(read.fields["u"][0, :6, 0], state_at(n, read), atol=1e-6))
        if wanted.parameter:
            assert read.condition["nu"] == pytest.approx(NU[number])
        if wanted.drive:
            assert np.allclose(read.condition["drive"], DRIVE[number, 1:4])
        if wanted.category:
            assert read.condition[f"material={METALS[number]}"] == 1


def state_at(number: int, read: Any) -> np.ndarray:
    """The first points of a trajectory at its second time step."""
    return U[number, 1, :, 0] if read.coords_NX.shape[1] == 1 else U[number, 1].flatten()[:6]


def which(value_N: torch.Tensor) -> int:
    return next(n for n in range(NUM) if np.allclose(U[n, 0].flatten(), value_N.numpy(), atol=1e-6))


def test_a_forcing_among_frames_is_named(tmp_path: Path) -> None:
    for make in (as_frames, as_point_frames, as_the_well):
        (tmp_path / make.__name__).mkdir()
        data = make(tmp_path / make.__name__, Wanted(given=True))
        data._predicted = ["w"]  # type: ignore[attr-defined]
        with pytest.raises(DataError, match="'targets' names w, but the fields that change in time are u, f"):
            data.spec()


def test_a_table_of_time_steps_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.npz").parent.mkdir(exist_ok=True)
    as_npz(tmp_path / "a", arrays_of(Wanted()))
    path = tmp_path / "table.csv"
    path.write_text("trajectory,step,drive\n" + "\n".join(f"{n},{s},1" for n in range(NUM) for s in range(TIMES - 1)))
    with pytest.raises(DataError, match=r"table.csv: there is no row for trajectory 0 time step 4; add it"):
        Npz(path=tmp_path / "a.npz", table=path).trajectories("train")
    path.write_text("trajectory,step,drive\n0,first,1\n")
    with pytest.raises(DataError, match=r"row 2: 'step' should be a number from 0, found 'first'"):
        Npz(path=tmp_path / "a.npz", table=path).trajectories("train")


def test_a_parameter_that_is_told_twice_is_refused(tmp_path: Path) -> None:
    as_npz(tmp_path / "a", arrays_of(Wanted(parameter=True)))
    path = tmp_path / "table.csv"
    path.write_text("trajectory,step,nu\n" + "\n".join(f"{n},{s},1" for n in range(NUM) for s in range(TIMES)))
    with pytest.raises(DataError, match=r"'nu' is given in the table and the file, and for each time in one of them"):
        Npz(path=tmp_path / "a.npz", table=path, conditions=["nu"]).trajectories("train")
