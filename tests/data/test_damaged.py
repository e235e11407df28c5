"""What is damaged further in than a file's beginning is refused with the file, the array, and few words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from upt_core import DataError
from upt_data.foreign import reading, why
from upt_data.frames import Frames
from upt_data.hdf5_arrays import Hdf5
from upt_data.pdebench import PdeBench
from upt_data.the_well import TheWell


def well(path: Path, change: Any) -> TheWell:
    with h5py.File(path, "w") as file:
        file.attrs.update({"n_trajectories": 3, "n_spatial_dims": 1, "grid_type": "cartesian"})
        file["t0_fields/p"] = np.random.default_rng(0).random((3, 4, 5))
        file["t0_fields/p"].attrs.update({"sample_varying": True, "time_varying": True, "dim_varying": [True]})
        file["t0_fields"].attrs["field_names"] = ["p"]
        file["dimensions/x"], file["dimensions/time"] = np.arange(5.0), np.arange(4.0)
        file["dimensions"].attrs["spatial_dims"] = ["x"]
        file.create_group("boundary_conditions/left").attrs.update({"bc_type": "PERIODIC", "associated_dims": ["x"]})
        file["boundary_conditions/left/mask"] = np.ones(5, dtype=bool)
        change(file)
    return TheWell(path=path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.__delitem__("dimensions/x"), r"lists the axes x, but has no array dimensions/x; fetch the"),
        (lambda file: file.attrs.update({"n_trajectories": 0}), "n_trajectories is 0, not a number from 1; fetch the"),
        (lambda file: file.attrs.update({"n_trajectories": "many"}), "n_trajectories is many, not a number from 1"),
        (lambda file: file["dimensions"].attrs.clear(), "'dimensions': lacks the attribute spatial_dims; the file is"),
        (
            lambda file: file["boundary_conditions/left"].attrs.__delitem__("associated_dims"),
            "the boundary 'left': lacks the attribute associated_dims",
        ),
    ],
)
def test_the_well(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"a.hdf5.*{message}"):
        well(tmp_path / "a.hdf5", change).spec()


def test_pdebench_times(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["tensor"], file["x-coordinate"] = np.zeros((3, 4, 5)), np.arange(5.0)
        file["t-coordinate"] = 1.0
    with pytest.raises(DataError, match=r"a.h5: '/t-coordinate' has the shape \(\); expected a row of times"):
        PdeBench(path=tmp_path / "a.h5").spec()


def test_frames_of_another_type(tmp_path: Path) -> None:
    for step in range(8):
        np.save(tmp_path / f"{step}.npy", np.zeros((4, 3), dtype="m8[s]" if step == 2 else "f4"))
    train = Frames(path=tmp_path, split_by="time").trajectories("train")
    with pytest.raises(DataError, match=r"2.npy: holds timedelta64\[s\]; store real numbers, as in the first frame"):
        train.read(0, 0, 4)


def test_groups_that_cannot_be_listed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/u"] = np.zeros(3)
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(content.replace(b"SNOD", b"DONS"))
    with pytest.raises(DataError, match=r"a.h5: not a whole HDF5 file \(\d+ bytes; RuntimeError: .*groups cannot be"):
        Hdf5(path=tmp_path / "a.h5").spec()


def test_a_chunk_that_cannot_be_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"], file["x"] = np.zeros((6, 4, 5)), np.arange(5.0)
        file.create_dataset("t", data=np.arange(4.0), chunks=(4,), compression="gzip", shuffle=False)
        where = file["t"].id.get_chunk_info(0).byte_offset
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(content[:where] + b"\xff\xff" + content[where + 2 :])
    with pytest.raises(DataError, match=r"a.h5, 't': cannot be read \(OSError: .*the file is damaged; fetch it again"):
        Hdf5(path=tmp_path / "a.h5").spec()


def test_what_libraries_say_is_cut_to_a_line() -> None:
    assert why(ValueError("\x1b[2J" + "x" * 1000 + "\nmore")) == "ValueError: ?[2J" + "x" * 195 + "…"
    assert why(KeyError()) == "KeyError"
    with pytest.raises(DataError, match=r"a.msh \(SystemExit: 1\); write it again"), reading("a.msh", "write it again"):
        raise SystemExit(1)
