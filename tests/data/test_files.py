"""What all data sets in files share: which files, their parameters, their splits, and files that change."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from upt_core import DataError, Trajectories
from upt_data.files import trajectories as reading
from upt_data.hdf5_arrays import Hdf5
from upt_data.npz import Npz
from upt_data.pdebench import PdeBench

X, T = np.arange(8) / 8, np.linspace(0, 1, 6)


def waves(num: int, seed: int = 0, length: int = 6) -> np.ndarray:
    phase = np.random.default_rng(seed).random((num, 1, 1))
    return np.sin(2 * np.pi * (X - phase - 0.3 * T[:length, None]))


def write(path: Path, num: int = 1, seed: int = 0, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **({"u": waves(num, seed), "x": X, "t": T} | more))
    return path


def files(folder: Path, values: list[str], num: int = 4) -> None:
    for seed, value in enumerate(values):
        write(folder / f"nu_{value}.npz", num, seed)


def firsts(trajectories: Trajectories) -> set[float]:
    """One value of each trajectory, by which it is known again."""
    return {float(trajectories.read(i, 0, 1).fields["u"][0, 0, 0]) for i in range(len(trajectories))}


def all_splits(data: Any) -> list[Trajectories]:
    return [data.trajectories(split) for split in ("train", "valid", "test")]


@pytest.mark.parametrize("how", ["folder", "pattern", "list"])
def test_many_files_are_one_data_set(tmp_path: Path, how: str) -> None:
    paths = [write(tmp_path / f"run_{number}.npz", seed=number) for number in range(12)]
    path: Any = {"folder": tmp_path, "pattern": tmp_path / "run_*.npz", "list": paths}[how]
    splits = all_splits(Npz(path=path))
    assert [len(split) for split in splits] == [10, 1, 1]
    expected = {float(waves(1, seed)[0, 0, 0]) for seed in range(12)}
    assert set.union(*map(firsts, splits)) == expected


def test_files_of_a_folder_come_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        write(tmp_path / f"run_{number}.npz", num=4, seed=number)
    first = Npz(path=tmp_path, num_trajectories=4)
    expected = {float(value) for value in waves(4, 1)[:, 0, 0]}
    assert set.union(*map(firsts, all_splits(first))) == expected


def test_numbers_in_file_names_are_conditions(tmp_path: Path) -> None:
    files(tmp_path, ["0.01", "1e-3", "2"])
    data = Npz(path=tmp_path / "nu_{viscosity}.npz")
    assert data.spec().condition == ("viscosity",)
    found = [split.read(i, 0, 1).condition["viscosity"] for split in all_splits(data) for i in range(len(split))]
    assert sorted(found) == [0.001] * 4 + [0.01] * 4 + [2.0] * 4
    write(tmp_path / "nu_thin.npz")
    with pytest.raises(
        DataError,
        match=r"nu_thin.npz: there is no number at the place where the pattern .* has "
        r"\{viscosity\}",
    ):
        Npz(path=tmp_path / "nu_{viscosity}.npz").spec()
    with pytest.raises(DataError, match="'viscosity' occurs twice"):
        Npz(path=tmp_path / "nu_{viscosity}{viscosity}.npz").spec()


def test_attributes_and_arrays_are_conditions_when_named(tmp_path: Path) -> None:
    for number, nu in enumerate((0.01, 0.02, 0.04)):
        with h5py.File(tmp_path / f"burgers_{number}.hdf5", "w") as file:
            file["tensor"], file["x-coordinate"], file["t-coordinate"] = waves(4, number), X, T
            file.attrs.update({"Nu": nu, "solver": "spectral"})
    data = PdeBench(path=tmp_path, conditions=["Nu"])
    assert data.spec().condition == ("Nu",)
    assert {split.read(0, 0, 1).condition["Nu"] for split in all_splits(data)} <= {0.01, 0.02, 0.04}
    with pytest.raises(DataError, match=r"burgers_0.hdf5: there is no parameter called 'nu', neither as \{nu\} in"):
        PdeBench(path=tmp_path, conditions=["nu"]).trajectories("train")
    with pytest.raises(DataError, match="'Nu' is ambiguous: the file's name says 0, the file says 0.01; correct one"):
        PdeBench(path=tmp_path / "burgers_{Nu}.hdf5").trajectories("train")


def table(folder: Path, text: str) -> Path:
    (folder / "table.csv").write_text(text, encoding="utf-8")
    return folder / "table.csv"


def test_a_table_has_a_row_for_each_file_or_trajectory(tmp_path: Path) -> None:
    files(tmp_path, ["a", "b"], num=3)
    by_file = table(tmp_path, "file, nu, remark\nnu_a.npz, 0.5, calm\nsims/nu_b.npz, 0.7, wild\n")
    data = Npz(path=tmp_path / "*.npz", table=by_file, conditions=["nu"])
    found = [split.read(i, 0, 1).condition["nu"] for split in all_splits(data) for i in range(len(split))]
    assert sorted(found) == [0.5] * 3 + [0.7] * 3
    both = table(tmp_path, "file,trajectory,nu\n" + "".join(f"nu_{f}.npz,{n},{n}\n" for f in "ab" for n in range(3)))
    data = Npz(path=tmp_path / "*.npz", table=both)
    found = [split.read(i, 0, 1).condition["nu"] for split in all_splits(data) for i in range(len(split))]
    assert sorted(found) == [0, 0, 1, 1, 2, 2]
    rows = table(tmp_path, "nu\n1\n2\n3\n")
    assert Npz(path=tmp_path / "nu_a.npz", table=rows).spec().condition == ("nu",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,nu\nnu_a.npz,1\n", "there is no row for nu_b.npz; add it"),
        ("file,nu\nnu_a.npz,1\nnu_a.npz,2\n", "row 3: nu_a.npz occurs twice; keep one row"),
        ("file,nu\nnu_a.npz,calm\nnu_b.npz,1\n", "column 'nu', nu_a.npz: expected a finite number, found 'calm'"),
        ("file,nu\nnu_a.npz,1,2\n", "row 2: expected 2 cells as in the first row"),
        ("file\nnu_a.npz\n", "expected a first row of names, 'file' among them, .*found the columns file and 1 rows"),
        ("file,trajectory,nu\nnu_a.npz,one,1\n", "row 2: 'trajectory' should be a number from 0, found 'one'"),
        ("", "found the columns none and 0 rows"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    files(tmp_path, ["a", "b"])
    with pytest.raises(DataError, match=f"table.csv.*{message}"):
        Npz(path=tmp_path / "*.npz", table=table(tmp_path, text)).trajectories("train")


def test_a_split_by_file_shares_out_whole_files(tmp_path: Path) -> None:
    files(tmp_path, ["1", "2", "3", "4"])
    data = Npz(path=tmp_path / "nu_{nu}.npz", split_by="file")
    found = [{split.read(i, 0, 1).condition["nu"] for i in range(len(split))} for split in all_splits(data)]
    assert [len(values) for values in found] == [2, 1, 1]
    assert set.union(*found) == {1, 2, 3, 4}
    with pytest.raises(DataError, match="1 files cannot be split into 1 for validation"):
        Npz(path=tmp_path / "nu_1.npz", split_by="file").trajectories("train")


def test_a_split_by_time_cuts_each_trajectory(tmp_path: Path) -> None:
    times = np.arange(20.0)
    u = np.broadcast_to(times[:, None], (20, 8))[None]
    data = Npz(path=write(tmp_path / "long.npz", u=u, t=times), split_by="time", time_stride=2)
    seen = [split.read(0, 0, split.num_times(0)) for split in all_splits(data)]
    assert [whole.time_T.tolist() for whole in seen] == [[0.0, 2, 4, 6, 8, 10], [12.0, 14], [16.0, 18]]
    assert all(torch.equal(whole.fields["u"][:, 0, 0].double(), whole.time_T) for whole in seen)
    with pytest.raises(DataError, match=r"long.npz: 1 trajectories cannot be split.*\(split_by: time\)"):
        Npz(path=tmp_path / "long.npz").trajectories("train")
    with pytest.raises(DataError, match="4 frames cannot be split into 2 for validation, 2 for test"):
        Npz(path=tmp_path / "long.npz", split_by="time", time_stride=5).trajectories("train")
    np.savez(tmp_path / "steady.npz", u=waves(4)[:, 0], x=X)
    with pytest.raises(DataError, match="a steady problem has no time; split it by trajectory or file"):
        Npz(path=tmp_path / "steady.npz", steady=True, split_by="time").trajectories("train")


def test_a_split_can_have_files_of_its_own(tmp_path: Path) -> None:
    main, valid, test = (write(tmp_path / f"{seed}.npz", num=10, seed=seed) for seed in range(3))
    data = Npz(path=main, valid_path=valid, test_path=[test])
    assert [len(split) for split in all_splits(data)] == [10, 10, 10]
    assert [len(split) for split in all_splits(Npz(path=main, test_path=test))] == [9, 1, 10]
    assert [len(split) for split in all_splits(Npz(path=main, valid_path=valid))] == [9, 10, 1]
    assert not set.intersection(*map(firsts, all_splits(Npz(path=main, test_path=test))))
    with pytest.raises(DataError, match="1 trajectories cannot be split into 1 for validation and at least one"):
        Npz(path=main, test_path=test, num_trajectories=1).trajectories("train")
    other = write(tmp_path / "fine.npz", num=3, u=np.ones((3, 6, 16)), x=np.arange(16) / 16)
    assert Npz(path=main, test_path=other).trajectories("test").read(0, 0, 1).grid_shape == (16,)
    other = write(tmp_path / "wide.npz", num=3, u=np.ones((3, 6, 16)), x=np.arange(16.0))
    with pytest.raises(
        DataError, match=r"wide.npz: its grid of 16 points from 0 to 15 covers another box than .*0.npz"
    ):
        Npz(path=main, test_path=other).spec()


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    write(tmp_path / "1.npz", num=3)
    write(tmp_path / "2.npz", u=np.ones((1, 6, 8, 2)))
    with pytest.raises(DataError, match=r"2.npz: has the fields \{'u': 2\}, but .*1.npz has \{'u': 1\}"):
        Npz(path=tmp_path).spec()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("s3://bucket/data.npz", "upt reads only local files; download it first"),
        ("https://example.org/data.npz", "upt reads only local files"),
        ("gone.npz", "gone.npz: expected a file, but it does not exist; correct the data set's path"),
        ("gone_*.npz", r"gone_\*.npz: no file fits this pattern"),
        ([], "path is an empty list; name at least one file"),
        (["a.npz", "./a.npz"], "a.npz: the file is listed twice; its trajectories could be in two splits"),
        (".", r".: neither a file nor a folder that holds any \(\*.npz\); found: a.text"),
    ],
)
def test_paths_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(path, list):
        write(Path("a.npz"))
    (tmp_path / "a.text").touch()
    with pytest.raises(DataError, match=message):
        Npz(path=[Path(item) for item in path] if isinstance(path, list) else Path(path)).spec()


def big_file(folder: Path) -> Path:
    path = folder / "sim.h5"
    with h5py.File(path, "w") as file:
        file["u"], file["x"], file["t"] = waves(12), X, T
    return path


def test_a_file_that_is_cut_during_the_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "KEPT_BYTES", 0)
    path = big_file(tmp_path)
    train = Hdf5(path=path).trajectories("train")
    assert train.read(0, 0, 2).fields["u"].abs().max() > 0
    os.truncate(path, path.stat().st_size // 2)
    for again in (train, pickle.loads(pickle.dumps(train))):
        with pytest.raises(DataError, match=r"sim.h5: changed while it was read \(from \d+ to \d+ bytes"):
            again.read(1, 0, 2)
    path.unlink()
    with pytest.raises(DataError, match=r"sim.h5: cannot be read any more \(.*; restore it and resume"):
        train.read(1, 0, 2)


def test_small_splits_are_kept_and_large_ones_read_in_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = big_file(tmp_path)
    kept = Hdf5(path=path, time_stride=2).trajectories("train")
    monkeypatch.setattr(reading, "KEPT_BYTES", 0)
    lazy = Hdf5(path=path, time_stride=2).trajectories("train")
    for index in range(len(kept)):
        for start, stop in ((0, 3), (1, 2), (2, 3)):
            one, other = kept.read(index, start, stop), lazy.read(index, start, stop)
            assert torch.equal(one.fields["u"], other.fields["u"])
            assert torch.equal(one.time_T, other.time_T)
