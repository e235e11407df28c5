"""What is damaged further in than a file's beginning is refused with the file, the array, and few words."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import meshio
import numpy as np
import pytest

from upt_core import DataError
from upt_data.arrays.coordinates import read_times
from upt_data.foreign import reading, why
from upt_data.frames import Frames
from upt_data.hdf5_arrays import Hdf5
from upt_data.mat_arrays import Mat
from upt_data.mesh import Mesh
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
        (
            lambda file: file.__delitem__("dimensions/x"),
            r"lists the axes x, but has no array dimensions/x; download or copy the",
        ),
        (
            lambda file: file.attrs.update({"n_trajectories": 0}),
            "n_trajectories is 0, not a number from 1; download or copy the",
        ),
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
    with pytest.raises(
        DataError,
        match=r"a.h5: not a complete HDF5 file \(\d+ bytes; RuntimeError: .*groups cannot "
        r"be",
    ):
        Hdf5(path=tmp_path / "a.h5").spec()


def test_a_chunk_that_cannot_be_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"], file["x"] = np.zeros((6, 4, 5)), np.arange(5.0)
        file.create_dataset("t", data=np.arange(4.0), chunks=(4,), compression="gzip", shuffle=False)
        where = file["t"].id.get_chunk_info(0).byte_offset
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(content[:where] + b"\xff\xff" + content[where + 2 :])
    with pytest.raises(
        DataError,
        match=r"a.h5, 't': cannot be read \(OSError: .*the file is damaged; download or "
        r"copy it again",
    ):
        Hdf5(path=tmp_path / "a.h5").spec()


def test_what_libraries_say_is_cut_to_a_line() -> None:
    assert why(ValueError("\x1b[2J" + "x" * 1000 + "\nmore")) == "ValueError: ?[2J" + "x" * 195 + "…"
    assert why(KeyError()) == "KeyError"
    with pytest.raises(DataError, match=r"a.msh \(SystemExit: 1\); write it again"), reading("a.msh", "write it again"):
        raise SystemExit(1)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """h5py gives such names as bytes: the others are read as ever."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"], file["x"], file["t"] = np.zeros((6, 4, 5)), np.arange(5.0), np.arange(4.0)
        file["odd"] = np.zeros(3)
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(content.replace(b"odd\0", b"o\xffd\0"))
    assert Hdf5(path=tmp_path / "a.h5").spec().grid_shape == (5,)
    with pytest.raises(DataError, match=r"a.h5.*'v'.*o\\\\?xffd"):
        Hdf5(path=tmp_path / "a.h5", inputs=["v"]).spec()


@pytest.mark.parametrize("node", [9, -1])
def test_cells_between_nodes_that_are_not_there(node: int, tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((9, 3))
    for step in range(8):
        cells = [("triangle", np.array([[0, 1, node if step == 2 else 2]]))]
        meshio.Mesh(points, cells, {"u": np.zeros(9)}).write(tmp_path / f"{step}.vtk", binary=False)
    train = Mesh(path=tmp_path, split_by="time").trajectories("train")
    with pytest.raises(DataError, match=rf"2.vtk: a cell of type triangle names the node {node}, but there are 9"):
        train.read(0, 0, 4)


def tag(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def mat_matrix(flags: int = 6, kind: int = 9, name: bytes = b"u", values: int = 3) -> bytes:
    """A row of numbers in MATLAB's format 5."""
    parts = [tag(6, struct.pack("<II", flags, 0)), tag(5, struct.pack("<ii", 1, values)), tag(1, name)]
    return tag(14, b"".join(parts) + tag(kind, bytes(8 * values)))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (mat_matrix(kind=137), "an element of a matrix has the unknown type 137"),
        (mat_matrix(flags=6 | 0x800), "a matrix of class 6 has 4 of its 5 parts"),
        (mat_matrix()[:8] + mat_matrix()[24:], "a matrix begins without its flags"),
        (mat_matrix()[:40] + struct.pack("<II", 1, 200) + mat_matrix()[48:], "an element of 200 bytes is longer than"),
        (tag(14, tag(99, b"")), "a matrix begins without its flags"),
        (tag(99, b"abc"), "an element has the unknown type 99"),
    ],
)
def test_tags_with_which_scipy_would_end_the_process(matrix: bytes, message: str, packed: bool, tmp_path: Path) -> None:
    """The first four were segmentation faults in scipy 1.17, found by ``make fuzz``."""
    header = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"
    content = mat_matrix() + matrix + mat_matrix(name=b"t")
    if packed:
        small = zlib.compress(matrix)
        content = struct.pack("<II", 15, len(small)) + small
    (tmp_path / "a.mat").write_bytes(header + content)
    with pytest.raises(DataError, match=rf"a.mat: not a complete .mat file \(\d+ bytes; ValueError: {message}"):
        Mat(path=tmp_path / "a.mat").spec()


def test_a_compressed_element_that_ends_early(tmp_path: Path) -> None:
    small = zlib.compress(mat_matrix(values=1000))[:-12]
    header = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"
    (tmp_path / "a.mat").write_bytes(header + struct.pack("<II", 15, len(small)) + small)
    with pytest.raises(DataError, match=r"a.mat: not a complete .mat file .*a compressed element ends early"):
        Mat(path=tmp_path / "a.mat").spec()


@pytest.mark.parametrize("kind", ["datetime64[s]", "timedelta64[s]", "float64"])
@pytest.mark.parametrize("shape", [(0,), (0, 0)])
def test_no_times_at_all(shape: tuple[int, ...], kind: str) -> None:
    with pytest.raises(DataError, match=r"a.npz, 't': expected a row of numbers, found shape \(0,"):
        read_times(np.zeros(shape, kind), "a.npz, 't'")
