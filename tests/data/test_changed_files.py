"""Files that change while a run reads them end it, with a checkpoint; those of which all values are held do not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from upt_core import DataError, Dataset, DataSpec, Experiment, FieldSpec, Split, Trajectory, hookimpl, split_indices
from upt_core.data import disk
from upt_core.data.prepared import PreparedData
from upt_core.run.experiment import load_run
from upt_core.training import checkpoint
from upt_data.files import trajectories as reading
from upt_data.mesh import Mesh
from upt_data.npz import Npz
from upt_data.symmetric import Symmetric

POINTS = 16
X, T = np.arange(POINTS) / POINTS, np.linspace(0, 1, 4)
U = np.random.default_rng(0).normal(size=(10, 4, POINTS)).cumsum(-1)
BASE: dict[str, Any] = {
    "model": {
        "latent": {"tokens": 4, "dim": 8},
        "encoder": {"name": "grid", "patch": 4, "depth": 0},
        "approximator": {"name": "transformer", "depth": 1, "heads": 2},
        "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
    },
    "losses": {"forward": {"name": "forward"}},
    "trainer": {"epochs": 3, "batch_size": 4, "device": "cpu", "optimizer": {"name": "adamw"}},
    "validation": {"metrics": {"rmse": {"name": "rmse"}}},
}
SCATTERED = {"name": "supernode", "supernodes": 4, "depth": 0, "heads": 2}


class AfterEpoch:
    """Does something to the data at the end of an epoch."""

    def __init__(self, act: Callable[[], object], epoch: int = 0) -> None:
        self.act, self.epoch = act, epoch

    @hookimpl
    def epoch_ended(self, progress: Any) -> None:
        if progress.epoch == self.epoch:
            self.act()


def train(data: dict[str, Any], act: Callable[[], object], epoch: int = 0, **changes: Any) -> Path:
    """Trains in the folder ``run`` on data that something happens to."""
    config = {**BASE, **changes, "data": data}
    Experiment.from_dict(config).train(Path("run"), listeners=[AfterEpoch(act, epoch)])
    return Path("run")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own, and splits are too large to be held."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reading, "KEPT_BYTES", 0)
    return tmp_path


def npz(path: str = "u.npz", scale: float = 1.0) -> None:
    np.savez(path, u=scale * U, x=X, t=T)


def hdf5() -> None:
    with h5py.File("u.h5", "w") as file:
        file["u"], file["x"], file["t"] = U, X, T


def zarr_store() -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group("u.zarr", mode="w")
    for name, value, chunks in (("u", U, (1, 4, POINTS)), ("x", X, X.shape), ("t", T, T.shape)):
        group.create_array(name, shape=value.shape, chunks=chunks, dtype="float64")[...] = value


def meshes(suffix: str = "vtu") -> None:
    meshio = pytest.importorskip("meshio")
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.random((12, 2)), np.zeros(12)])
    for case in range(4):
        Path(f"case_{case}").mkdir()
        for step in range(3):
            mesh = meshio.Mesh(points, [("triangle", np.array([[0, 1, 2]]))], {"u": rng.random(12)})
            mesh.write(f"case_{case}/{step}.{suffix}")


def frames() -> None:
    for case in range(4):
        Path(f"case_{case}").mkdir()
        for step in range(3):
            np.save(f"case_{case}/{step}.npy", U[case, step])


def point_frames() -> None:
    for case in range(4):
        Path(f"case_{case}").mkdir()
        for name in "xy":
            torch.save(torch.rand(9), f"case_{case}/{name}.th")
        for step in range(3):
            torch.save(torch.rand(1, 9), f"case_{case}/{step:08d}_mesh.th")


def npy_folder() -> None:
    Path("arrays").mkdir()
    for name, value in (("u", U), ("x", X), ("t", T)):
        np.save(f"arrays/{name}.npy", value)


def other_day(path: str) -> None:
    """The same bytes, written at another time."""
    os.utime(path, (1e9, 1e9))


def cut(path: str) -> None:
    os.truncate(path, Path(path).stat().st_size // 2)


CASES: dict[str, tuple[Callable[[], None], dict[str, Any], Callable[[], object], str]] = {
    "hdf5 truncated": (hdf5, {"name": "hdf5", "path": "u.h5"}, lambda: cut("u.h5"), r"u\.h5 had \d+ bytes, .*now"),
    "hdf5 gone": (
        hdf5,
        {"name": "hdf5", "path": "u.h5"},
        lambda: os.remove("u.h5"),
        r"u\.h5 no longer exists; it had "
        r"\d+",
    ),
    "npz replaced": (npz, {"name": "npz", "path": "u.npz"}, lambda: npz(scale=2.0), r"u\.npz had \d+ bytes, last"),
    "npz of the same size": (npz, {"name": "npz", "path": "u.npz"}, lambda: other_day("u.npz"), "now it has .* 2001-"),
    "npy folder": (npy_folder, {"name": "npz", "path": "arrays"}, lambda: cut("arrays/u.npy"), "arrays/u.npy had"),
    "zarr chunk deleted": (
        zarr_store,
        {"name": "zarr", "path": "u.zarr"},
        lambda: os.remove("u.zarr/u/c/3/0/0"),
        r"u\.zarr had \d+ bytes in (\d+) files and folders.*now it has \d+ bytes in",
    ),
    "zarr chunk written": (
        zarr_store,
        {"name": "zarr", "path": "u.zarr"},
        lambda: Path("u.zarr/u/c/3/0/0").write_bytes(Path("u.zarr/u/c/2/0/0").read_bytes()),
        r"u\.zarr had",
    ),
    "mesh of a series": (
        meshes,
        {"name": "mesh", "path": "case_*"},
        lambda: shutil.copy("case_1/0.vtu", "case_1/2.vtu"),
        r"case_1/2\.vtu had",
    ),
    "frame gone": (
        frames,
        {"name": "frames", "path": "case_*"},
        lambda: os.remove("case_2/1.npy"),
        "1.npy no longer exists",
    ),
    "frame of points": (
        point_frames,
        {"name": "point_frames", "path": "case_*"},
        lambda: torch.save(torch.zeros(1, 9), "case_0/00000001_mesh.th"),
        "case_0/00000001_mesh.th had",
    ),
    "in a data set of a data set": (
        npz,
        {"name": "symmetric", "flips": [0], "base": {"name": "npz", "path": "u.npz"}},
        lambda: npz(scale=2.0),
        "u.npz had",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_changes_ends_the_run(case: str) -> None:
    make, data, act, message = CASES[case]
    make()
    grid = data["name"] not in ("mesh", "point_frames")
    model = BASE["model"] if grid else {**BASE["model"], "encoder": SCATTERED}
    with pytest.raises(DataError, match=rf"^the data changed during the run: .*{message}") as error:
        train(data, act, model=model)
    assert "restore the files and resume the run, or start a new run" in str(error.value)
    state = checkpoint.load(Path("run/checkpoints/last.pt"))["state"]
    assert state["step"] > 0
    assert state["best_epoch"] == 0, "nothing was trained or validated after the change"


def test_a_file_with_the_same_content_lets_the_run_go_on() -> None:
    npz()
    with pytest.raises(DataError, match="u.npz had"):
        train({"name": "npz", "path": "u.npz"}, lambda: other_day("u.npz"))
    load_run(Path("run")).train(Path("run"), resume=True)
    assert checkpoint.load(Path("run/checkpoints/last.pt"))["state"]["step"] == 3 * 6


def test_the_table_of_parameters_counts() -> None:
    for number in range(10):
        np.savez(f"sim_{number}.npz", u=U[number : number + 1], x=X, t=T)
    table = Path("table.csv")
    table.write_text("file,nu\n" + "".join(f"sim_{n}.npz,{n}\n" for n in range(10)))
    with pytest.raises(DataError, match="table.csv had"):
        train({"name": "npz", "path": "sim_*.npz", "table": "table.csv"}, lambda: table.write_text("file,nu\n"))


def test_the_values_of_an_xdmf_series_stand_in_another_file() -> None:
    meshes("xdmf")
    files = Mesh(path=Path("case_*"), steady=False).files()
    assert Path("case_1/2.h5") in files
    assert len(files) == 2 * 4 * 3


def test_a_change_before_the_test_split_is_read_ends_the_run() -> None:
    hdf5()
    with pytest.raises(DataError, match=r"u\.h5 had"):
        train({"name": "hdf5", "path": "u.h5"}, lambda: cut("u.h5"), epoch=2)
    assert checkpoint.load(Path("run/checkpoints/last.pt"))["state"]["step"] == 3 * 6


def test_values_that_are_held_are_trained_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading, "KEPT_BYTES", 2**28)
    npz()
    expected = Experiment.from_dict({**BASE, "data": {"name": "npz", "path": "u.npz"}}).train(Path("before"))
    capfd.readouterr()
    folder = Path("run")
    experiment = Experiment.from_dict({**BASE, "data": {"name": "npz", "path": "u.npz"}})
    assert experiment.train(folder, listeners=[AfterEpoch(lambda: npz(scale=2.0))]) == expected
    said = capfd.readouterr().err
    assert said.count("the data changed during the run: u.npz had") == 1
    assert "All values are in memory, so training continues with the original values; but a resume needs" in said


class Stranger(Dataset):
    """A data set of somebody else, which reads an array of a file when values are needed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def spec(self) -> DataSpec:
        u = (FieldSpec("u"),)
        return DataSpec(u, u, (1.0,), (True,), (POINTS,), origin=(0.0,))

    def trajectories(self, split: Split) -> Any:
        return StrangerTrajectories(self.path, split_indices(len(U), split, 0.1, 0.1))

    def files(self) -> Sequence[Path]:
        return [self.path]


class StrangerTrajectories:
    def __init__(self, path: Path, chosen: list[int]) -> None:
        self.path, self.chosen = path, chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def num_times(self, index: int) -> int:
        return len(T)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        u_TN = torch.from_numpy(np.load(self.path)[self.chosen[index], start:stop])
        return Trajectory({"u": u_TN[..., None]}, torch.from_numpy(X)[:, None], torch.from_numpy(T)[start:stop], {})


def test_a_data_set_of_somebody_else() -> None:
    np.save("u.npy", U)
    prepared = PreparedData(Stranger(Path("u.npy")))
    prepared.trajectories("train")
    prepared.check_files()
    np.save("u.npy", 2 * U)
    with pytest.raises(DataError, match=r"the data changed during the run: u\.npy had"):
        prepared.check_files()


def test_the_cost_of_a_large_folder_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MOST_LISTED", 50)
    monkeypatch.setattr(disk, "MOST_LOOKED_AT", 10)
    for number in range(80):
        Path("store", str(number % 7)).mkdir(parents=True, exist_ok=True)
        Path("store", str(number % 7), f"{number}").write_text("chunk")
    files = disk.Files([Path("store")])
    assert disk.stamp_of(Path("store")) == disk.stamp_of(Path("store"))
    assert files.changes() == []
    found = disk.stamp_of(Path("store"))
    assert found is not None
    assert found.entries == 50
    Path("store/0/0").unlink()
    assert len(files.changes()) == 1


def test_many_files_are_looked_at_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk.spread(list(range(10)), 4) == [0, 3, 6, 9]
    assert disk.spread([1, 2], 4) == [1, 2]
    monkeypatch.setattr(disk, "MOST_LOOKED_AT", 4)
    paths = [Path(f"{number}.npz") for number in range(10)]
    for path in paths:
        path.write_text("x")
    files = disk.Files(paths)
    for path in paths:
        path.unlink()
    assert len(files.changes()) == 4


def test_files_of_all_splits_are_known() -> None:
    for name in ("train", "valid", "test"):
        npz(f"{name}.npz")
    data = Npz(path=Path("train.npz"), valid_path=Path("valid.npz"), test_path=Path("test.npz"))
    assert sorted(data.files()) == [Path("test.npz"), Path("train.npz"), Path("valid.npz")]
    assert Symmetric(base=data, flips=[0]).files() == data.files()
