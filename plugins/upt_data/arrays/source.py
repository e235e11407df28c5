"""Named arrays of an open file: what every format of arrays offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from upt_data.files.content import Values

Index = tuple[int | slice, ...]


class ArraySource(ABC):
    """The arrays of one file. Names and shapes come from headers; values are read where they are indexed."""

    @abstractmethod
    def names(self) -> list[str]:
        """Names of all arrays; those in groups have the group in front (``group/name``)."""

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array."""

    @abstractmethod
    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of an array's values."""

    @abstractmethod
    def read(self, name: str, index: Index) -> Values:
        """Values of an array at numbers and rising slices, one for each of its axes."""

    def read_many(self, name: str, indices: Sequence[Index]) -> Values:
        """Values of an array at several indices that give one shape, as rows of one array."""
        first = self.read(name, indices[0])
        values = np.empty((len(indices), *first.shape), first.dtype)
        values[0] = first
        for row in range(1, len(indices)):
            values[row] = self.read(name, indices[row])
        return values

    def dims(self, name: str) -> tuple[str, ...] | None:
        """Names of an array's axes, where the file has them."""
        return None

    def attributes(self, group: str = "") -> Mapping[str, Any]:
        """What the file (or a group in it) says of itself."""
        return {}

    def array_attributes(self, name: str) -> Mapping[str, Any]:
        """What the file says of an array."""
        return {}

    def close(self) -> None:  # noqa: B027  a source may hold nothing open
        """Gives the file back."""

    def whole(self, name: str) -> Values:
        """All values of an array, as coordinates are read."""
        return self.read(name, (slice(None),) * len(self.shape(name)))

    def described(self, group: str = "") -> str:
        """The arrays with their shapes, for messages."""
        names = [name for name in self.names() if name.startswith(group)]
        shown = [f"{name} {self.shape(name)}" for name in sorted(names)[:8]]
        return (", ".join(shown) + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "no array"


class MemorySource(ArraySource):
    """Arrays that are in memory already."""

    def __init__(self, arrays: Mapping[str, Values], attributes: Mapping[str, Any] | None = None) -> None:
        self._arrays = {name: np.asarray(value) for name, value in arrays.items()}  # numpy's maps of files are slow
        self._attributes = dict(attributes or {})

    def names(self) -> list[str]:
        """Names of all arrays."""
        return list(self._arrays)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array."""
        return self._arrays[name].shape

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of an array's values."""
        return self._arrays[name].dtype

    def read(self, name: str, index: Index) -> Values:
        """A view of the values."""
        return np.asarray(self._arrays[name][index])

    def attributes(self, group: str = "") -> Mapping[str, Any]:
        """What the file says of itself."""
        return {} if group else self._attributes
