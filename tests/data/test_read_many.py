"""Batches that are read at once are those of samples that are read one by one, bit for bit: every reader, what it holds
beside the state, history, bundles, images, processes that read ahead, values kept in memory or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from tests.data.test_what_readers_hold import CELLS, READERS, TABLE, WANTED, Wanted
from upt_core import Batch, DataError, Dataset, Points
from upt_core.data.loader import Batches
from upt_core.data.prepared import PreparedData
from upt_data.arrays.stored_bytes import MOST_READS, stored_bytes
from upt_data.bundled import Bundled
from upt_data.files import trajectories as files
from upt_data.hdf5_arrays import Hdf5
from upt_data.npz import Npz
from upt_data.symmetric import Symmetric

KEPT = pytest.mark.parametrize("kept", [True, False], ids=["in memory", "from the file"])
RNG = np.random.default_rng(0)


def of_batch(batch: Batch) -> dict[str, Any]:
    """All that a batch says, by name."""
    found: dict[str, Any] = {}
    for part in fields(batch):
        value = getattr(batch, part.name)
        if isinstance(value, Points):
            found |= {f"{part.name}.{name}": own for name, own in vars(value).items() if name != "_found"}
        else:
            found[part.name] = value
    return found


def assert_same(one: Batch, other: Batch) -> None:
    first, second = of_batch(one), of_batch(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        if isinstance(value, torch.Tensor):
            assert value.dtype == second[name].dtype, name
            assert torch.equal(value, second[name]), name
            assert value.stride() == second[name].stride() or value.numel() <= 1 or 1 in value.shape, name
        else:
            assert value == second[name], name


def one_by_one(batches: Batches, number: int) -> Batch:
    return batches.collate([batches.windows[n] for n in batches._chosen(number)])


def check(data: Dataset, at_once: bool = True, **asked: Any) -> None:
    """Every batch of every split."""
    prepared = PreparedData(data)
    for split in ("train", "valid", "test"):
        batches = prepared.batches(split, 1, 3, seed=0, **asked)  # type: ignore[arg-type]
        for number in range(batches.per_epoch):
            assert (batches.windows.together(batches._chosen(number)) is not None) == at_once
            assert_same(batches[number], one_by_one(batches, number))


@KEPT
@pytest.mark.parametrize(("reader", "name"), [cell for cell in CELLS if TABLE[cell[0]][cell[1]] != "no"])
def test_every_reader(reader: str, name: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kept:
        monkeypatch.setattr(files, "KEPT_BYTES", -1)
    own_points = reader in ("points", "mesh", "point_frames") or name == "holes"
    data = READERS[reader](tmp_path, WANTED[name])
    prepared = PreparedData(data)
    for split in ("train", "test"):
        batches = prepared.batches(split, 2, 3, seed=0, reference=True)  # type: ignore[arg-type]
        for number in range(batches.per_epoch):
            if not own_points:
                assert batches.windows.together(batches._chosen(number)) is not None
            assert_same(batches[number], one_by_one(batches, number))


def grid(path: Path, dtype: type = np.float32, num: int = 10, times: int = 9, size: int = 6, **more: Any) -> Path:
    arrays = {"u": RNG.standard_normal((num, times, size, size)).astype(dtype), "a": RNG.random((num, size, size))}
    arrays |= {"x": np.arange(size) / size, "y": np.arange(size) / size, "t": np.cumsum(RNG.random(times) + 0.1)}
    np.savez(path, **(arrays | {"nu": RNG.random(num), "drive": RNG.random((num, times))} | more))
    return path


def settings(path: Path, **more: Any) -> dict[str, Any]:
    return {"path": path, "inputs": ["u", "a"], "targets": ["u"], "conditions": ["nu", "drive"]} | more


CASES: dict[str, Callable[[Path], Dataset]] = {
    "plain": lambda root: Npz(**settings(grid(root / "a.npz"))),
    "float64": lambda root: Npz(**settings(grid(root / "a.npz", np.float64))),
    "whole numbers": lambda root: Npz(**settings(grid(root / "a.npz", np.int8))),
    "history": lambda root: Npz(**settings(grid(root / "a.npz"), history=3)),
    "strides": lambda root: Npz(**settings(grid(root / "a.npz"), time_stride=2, space_stride=2)),
    "split by time": lambda root: Npz(
        **settings(grid(root / "a.npz", times=40), split_by="time", valid_fraction=0.2, test_fraction=0.2, history=2)
    ),
    "descending": lambda root: Npz(**settings(grid(root / "a.npz", x=np.arange(6)[::-1] / 6))),
    "symmetric": lambda root: Symmetric(Npz(**settings(grid(root / "a.npz"), periodic=True)), flips=[0, 1], swap=True),
    "bundled": lambda root: Bundled(Npz(**settings(grid(root / "a.npz"), conditions=["nu"])), steps=2),
    "bundled images": lambda root: Bundled(
        Symmetric(Npz(**settings(grid(root / "a.npz"), conditions=["nu"])), flips=[0]), steps=3
    ),
    "several files": lambda root: Npz(**settings([grid(root / "a.npz"), grid(root / "b.npz")])),  # type: ignore[arg-type]
}


@KEPT
@pytest.mark.parametrize("case", CASES)
def test_every_arrangement(case: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kept:
        monkeypatch.setattr(files, "KEPT_BYTES", -1)
    check(CASES[case](tmp_path))
    check(CASES[case](tmp_path), reference=True)


def test_files_that_are_not_alike_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "KEPT_BYTES", -1)
    paths = [grid(tmp_path / "a.npz"), grid(tmp_path / "b.npz", np.float64)]
    batches = PreparedData(Npz(**settings(paths))).batches("train", 1, 8, seed=0)  # type: ignore[arg-type]
    found = [batches.windows.together(batches._chosen(number)) for number in range(batches.per_epoch)]
    assert None in found
    for number in range(batches.per_epoch):
        assert_same(batches[number], one_by_one(batches, number))


def test_processes_that_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "KEPT_BYTES", -1)
    for reader in ("hdf5", "npz"):
        (tmp_path / reader).mkdir()
        prepared = PreparedData(READERS[reader](tmp_path / reader, Wanted(given=True, parameter=True)))
        batches = prepared.batches("train", 1, 3, seed=0)
        ahead = list(batches.iterate(0, batches.per_epoch, workers=1))
        for number, batch in enumerate(ahead):
            assert_same(batch, one_by_one(batches, number))


def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "KEPT_BYTES", -1)
    values = RNG.random((10, 5, 6)).astype(np.float32)
    known, number = None, ""
    for name in ("sound", "a"):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["u"], file["x"], file["t"] = values, np.arange(6.0), np.arange(5.0)
        prepared = PreparedData(Hdf5(path=tmp_path / f"{name}.h5"), normalization=known)
        batches = prepared.batches("train", 1, 8)
        known, number = prepared.normalization, prepared.dataset.trajectories("train").place(3).rpartition(" ")[2]  # type: ignore[attr-defined]
        values[int(number), 2, 0] = np.nan
    told = rf"a.h5, 'u', trajectory {number}, time step 2: 1 of 6 values are NaN"
    with pytest.raises(DataError, match=told):
        list(batches.iterate(0, batches.per_epoch))


SHAPE = (7, 9, 10, 13)
STORED: dict[str, dict[str, Any]] = {
    "one piece": {},
    "chunks": {"chunks": (2, 3, 4, 5)},
    "whole frames": {"chunks": (1, 4, 10, 13)},
    "rows": {"chunks": (7, 9, 1, 13)},
    "other byte order": {"dtype": ">f4", "chunks": (2, 9, 10, 2)},
    "whole numbers": {"dtype": "i2"},
    "float64": {"dtype": "f8", "chunks": (3, 3, 10, 13)},
}


@pytest.mark.parametrize("name", STORED)
def test_bytes_of_the_file_are_what_the_library_reads(name: str, tmp_path: Path) -> None:
    values, rng = RNG.standard_normal(SHAPE) * 100, np.random.default_rng(1)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", data=values, **({"dtype": "f4"} | STORED[name]))
    with h5py.File(tmp_path / "a.h5", "r") as file:
        dataset, read = file["u"], 0
        stored = stored_bytes(dataset)
        assert stored is not None
        for _ in range(200):
            sizes = [int(rng.integers(1, size + 1)) if rng.random() < 0.6 else size for size in SHAPE]
            numbers = rng.integers(SHAPE[0], size=3)
            first = [int(rng.integers(0, size - length + 1)) for size, length in zip(SHAPE, sizes, strict=True)]
            rest = tuple(slice(a, a + length) for a, length in zip(first[1:], sizes[1:], strict=True))
            indices = [(int(number), *rest) for number in numbers]
            rows = np.zeros((3, *sizes[1:]), dataset.dtype)
            left = stored.read_rows(rows, indices)
            for row, index in enumerate(indices):
                if row not in left:
                    read += 1
                    assert np.array_equal(rows[row], dataset[index])
        assert read > (100 if name == "rows" else 200)  # windows in too many pieces are left to the library
        assert MOST_READS == 64
        assert stored.read_rows(np.zeros((1, 5), dataset.dtype), [(0, slice(0, 9, 2), 0, 0)]) == [0]
        assert stored.read_rows(np.zeros((1, 5), dataset.dtype), [(0, slice(0, 0), 0, 0)]) == [0]


def test_what_the_library_has_to_convert_or_to_fill_is_left_to_it(tmp_path: Path) -> None:
    values = RNG.random(SHAPE).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("packed", data=values, compression="gzip")
        file.create_dataset("checked", data=values, fletcher32=True)
        file.create_dataset("complex", data=values + 1j)
        file.create_dataset("flag", data=values > 0.5)
        file.create_dataset("number", data=1.0)
        file.create_dataset("unwritten", SHAPE, "f4", chunks=(1, 4, 10, 13), fillvalue=3)
        file["unwritten"][2] = values[2]
        layout = h5py.VirtualLayout(SHAPE, "f4")
        layout[:] = h5py.VirtualSource("a.h5", "unwritten", SHAPE)
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("outside", SHAPE, "f4", external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)])
    with h5py.File(tmp_path / "b.h5", "w", userblock_size=512) as file:
        file["u"] = values
    with h5py.File(tmp_path / "a.h5", "r") as file, h5py.File(tmp_path / "b.h5", "r") as other:
        names = [name for name in file if stored_bytes(file[name]) is not None]
        assert names == ["unwritten"]
        assert stored_bytes(other["u"]) is None
        stored, rows = stored_bytes(file["unwritten"]), np.zeros((2, 2, 10, 13), np.float32)
        assert stored is not None
        window = (slice(2, 4), slice(None), slice(None))
        assert stored.read_rows(rows, [(1, *window), (2, *window)]) == [0]
        assert np.array_equal(rows[1], values[2, 2:4])
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        assert stored_bytes(file["unwritten"]) is None  # its values may still be in memory
