"""Numpy archives (.npz) as named arrays: large ones stay in the file where they are not compressed."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from upt_data.arrays.source import MemorySource
from upt_data.checks import existing
from upt_data.files.content import Values
from upt_data.foreign import reading

MAPPED_BYTES = 2**24
"""Smaller arrays are read at once, which checks the archive's checksums."""


def open_npz(path: Path) -> MemorySource:
    """The arrays of an archive; large ones that ``numpy.savez`` stored without compression stay in the file.

    Raises:
        DataError: there is no such file, it is damaged, or it holds Python objects, which could run code.
    """
    path = existing(path)
    cure = "it is truncated, damaged or of another format; write it with numpy.savez"
    with (
        reading(f"{path}: not a complete .npz archive of plain arrays", cure, path),
        path.open("rb") as stream,
        zipfile.ZipFile(stream) as archive,
    ):
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        return MemorySource({info.filename[:-4]: _array(path, archive, info) for info in members})


def open_npy_folder(folder: Path) -> MemorySource:
    """The .npy files of a folder as arrays with the files' names, mapped.

    Raises:
        DataError: a file is damaged or holds Python objects.
    """
    arrays = {}
    for path in sorted(folder.glob("*.npy")):
        with reading(f"{path}: not a complete .npy array of numbers", "write it with numpy.save", path):
            arrays[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
    return MemorySource(arrays)


def _array(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Values:
    """An array of an archive: mapped where it is stored as it is, else unpacked."""
    with archive.open(info) as member:
        version = npy.read_magic(member)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = header(member)
        offset_in_member = member.tell()
    if dtype.hasobject:
        raise ValueError(f"Object arrays cannot be read: {info.filename}")
    count = int(np.prod(shape, dtype=np.int64))
    if info.file_size != offset_in_member + count * dtype.itemsize:
        raise ValueError(f"{info.filename} holds another number of bytes than its header says")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size < MAPPED_BYTES:
        with archive.open(info) as member:
            return np.asarray(npy.read_array(member, allow_pickle=False))
    offset = _data_offset(path, info) + offset_in_member
    if offset + count * dtype.itemsize > path.stat().st_size:
        raise ValueError(f"{info.filename} ends after the file")
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C")


def _data_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin: after its own header, whose size the archive's directory does not say."""
    with path.open("rb") as stream:
        stream.seek(info.header_offset)
        header: tuple[Any, ...] = struct.unpack("<4s5H3I2H", stream.read(30))
    return int(info.header_offset + 30 + header[-2] + header[-1])
