"""HDF5 files as named arrays, read where they are indexed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from upt_core import DataError
from upt_data.arrays.careful import CarefulSource
from upt_data.arrays.source import ArraySource, Index
from upt_data.arrays.stored_bytes import StoredBytes, many_of, stored_bytes
from upt_data.files.content import Values
from upt_data.foreign import reading
from upt_data.hdf5 import open_hdf5


def open_hdf5_arrays(path: Path) -> ArraySource:
    """The arrays of a file, open for reading; see ``open_hdf5`` for the errors."""
    return careful_hdf5(path, Hdf5Source)


def careful_hdf5(path: Path, kind: type[Hdf5Source]) -> ArraySource:
    """A file as a source of this kind, which refuses what is damaged in it."""
    file = open_hdf5(path)
    try:
        with reading(
            f"{path}: not a complete HDF5 file", "its groups cannot be listed; download or copy it again", path
        ):
            return CarefulSource(path, kind(file))
    except DataError:
        file.close()
        raise


class Hdf5Source(ArraySource):
    """The datasets of an open HDF5 file, in all its groups."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._arrays: dict[str, h5py.Dataset] = {}
        self._stored: dict[str, StoredBytes | None] = {}
        file.visititems(lambda name, item: self._add(name, item))

    def _add(self, name: str | bytes, item: Any) -> None:
        """Names are bytes where they are no UTF-8, of old or damaged files."""
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            text = name if isinstance(name, str) else name.decode("utf-8", "backslashreplace")
            self._arrays[text] = item

    def names(self) -> list[str]:
        """Paths of all datasets."""
        return list(self._arrays)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a dataset."""
        return tuple(self._arrays[name].shape)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of a dataset's values; texts of any length are objects."""
        found: np.dtype[Any] = np.dtype(self._arrays[name].dtype)
        return found

    def read(self, name: str, index: Index) -> Values:
        """Values of a dataset."""
        return np.asarray(self._arrays[name][index])

    def read_many(self, name: str, indices: Sequence[Index]) -> Values:
        """Values of a dataset at several indices, from the bytes of the file where they lie there as they are."""
        if name not in self._stored:
            self._stored[name] = stored_bytes(self._arrays[name])
        return many_of(self._stored[name], partial(self.read, name), self.dtype(name), self.shape(name), indices)

    def dims(self, name: str) -> tuple[str, ...] | None:
        """Labels or scales of a dataset's axes, where every axis has one."""
        labels = [dim.label or (Path(dim[0].name).name if len(dim) else "") for dim in self._arrays[name].dims]
        return tuple(labels) if labels and all(labels) else None

    def attributes(self, group: str = "") -> Mapping[str, Any]:
        """Attributes of the file or a group."""
        item = self._file.get(group) if group else self._file
        return {} if item is None else dict(item.attrs)

    def array_attributes(self, name: str) -> Mapping[str, Any]:
        """Attributes of a dataset."""
        return dict(self._arrays[name].attrs)

    def close(self) -> None:
        """Closes the file."""
        self._arrays.clear()
        self._stored.clear()
        self._file.close()
