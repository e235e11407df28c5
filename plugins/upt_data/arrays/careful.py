"""An open file whose arrays are read where they are indexed: what is damaged further in is told as at the opening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from upt_data.arrays.source import ArraySource, Index
from upt_data.files.content import Values
from upt_data.foreign import reading


class CarefulSource(ArraySource):
    """Another source, each call of which ends in a value or a ``DataError`` that names the file and the array.

    Args:
        path: the file, for messages.
        source: what reads it, through another library.
    """

    def __init__(self, path: Path, source: ArraySource) -> None:
        self._path = path
        self._source = source

    def names(self) -> list[str]:
        """Names of all arrays."""
        return self._source.names()

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array."""
        with self._reading(f", {name!r}"):
            return self._source.shape(name)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of an array's values."""
        with self._reading(f", {name!r}"):
            return self._source.dtype(name)

    def read(self, name: str, index: Index) -> Values:
        """Values of an array."""
        with self._reading(f", {name!r}"):
            return self._source.read(name, index)

    def read_many(self, name: str, indices: Sequence[Index]) -> Values:
        """Values of an array at several indices."""
        with self._reading(f", {name!r}"):
            return self._source.read_many(name, indices)

    def dims(self, name: str) -> tuple[str, ...] | None:
        """Names of an array's axes."""
        with self._reading(f", the axes of {name!r}"):
            return self._source.dims(name)

    def attributes(self, group: str = "") -> Mapping[str, Any]:
        """What the file (or a group in it) says of itself."""
        with self._reading(f", the attributes of {group!r}" if group else ", its attributes"):
            return self._source.attributes(group)

    def array_attributes(self, name: str) -> Mapping[str, Any]:
        """What the file says of an array."""
        with self._reading(f", the attributes of {name!r}"):
            return self._source.array_attributes(name)

    def close(self) -> None:
        """Gives the file back."""
        self._source.close()

    def _reading(self, what: str) -> Any:
        return reading(f"{self._path}{what}: cannot be read", "the file is damaged; download or copy it again")
