"""Zarr stores (formats 2 and 3, a folder or a .zip file) as named arrays, read chunk by chunk."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from upt_data.arrays.careful import CarefulSource
from upt_data.arrays.extra import library
from upt_data.arrays.source import ArraySource, Index
from upt_data.files.content import Values
from upt_data.foreign import reading

MARKS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
"""Files of which a folder that is a store has one."""


def is_store(path: Path) -> bool:
    """Whether a path is one zarr store."""
    return any((path / mark).is_file() for mark in MARKS) or (path.is_file() and path.suffix == ".zip")


def open_zarr(path: Path) -> ArraySource:
    """The arrays of a store.

    Raises:
        DataError: zarr is not installed, or the store is damaged.
    """
    zarr = library("zarr", "zarr", f"{path}: reading a zarr store")
    cure = "it is damaged, or is a single array without a group; copy the whole folder again"
    with reading(f"{path}: not a complete zarr group", cure, path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of formats that are not final: what is read is checked here
        store = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path
        return CarefulSource(path, ZarrSource(zarr.open_group(store, mode="r")))


class ZarrSource(ArraySource):
    """The arrays of an open zarr group, in all its groups."""

    def __init__(self, group: Any) -> None:
        self._group = group
        self._arrays: dict[str, Any] = {}
        self._groups: dict[str, Any] = {}
        for name, item in group.members(max_depth=None):
            (self._arrays if hasattr(item, "shape") else self._groups)[name] = item

    def names(self) -> list[str]:
        """Paths of all arrays."""
        return list(self._arrays)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array."""
        return tuple(self._arrays[name].shape)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of an array's values."""
        found: np.dtype[Any] = np.dtype(self._arrays[name].dtype)
        return found

    def read(self, name: str, index: Index) -> Values:
        """Values of an array; chunks that were never written read as the store's fill value."""
        return np.asarray(self._arrays[name][index])

    def dims(self, name: str) -> tuple[str, ...] | None:
        """Names of the axes: format 3 has a place for them, format 2 those that xarray writes."""
        array = self._arrays[name]
        names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
        return tuple(names) if names and all(names) else None

    def attributes(self, group: str = "") -> Mapping[str, Any]:
        """Attributes of the store or a group."""
        item = self._groups.get(group) if group else self._group
        return {} if item is None else dict(item.attrs)
