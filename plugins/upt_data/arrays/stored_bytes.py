"""Windows of an HDF5 dataset that is stored as it is, read from the bytes of the file.

A dataset without compression, checksums or conversion lies in its file in one piece or in chunks, whose places the
library tells (H5Dget_offset, H5Dget_chunk_info_by_coord). A small window is read from there in a tenth of the time that
the library takes to select it; and of a chunk only what is wanted, where the library reads all of it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import h5py
import numpy as np

from upt_data.arrays.source import Index
from upt_data.files.content import Values

MOST_READS = 64
"""A window that is in more stretches of the file is left to the library."""
MOST_BYTES = 2**30
"""A read of the system may end before it; larger windows are left to the library."""
MOST_KEPT = 2**20
"""So many places of chunks are remembered, and of ways in which windows lie in chunks a hundredth."""

Span = tuple[int, int]
"""Where a window begins in its first chunk, along an axis, and its length."""
Cut = tuple[int, int, int]
"""What a chunk has of a window along an axis: the first number in the chunk, how many, and the first in the window."""


@dataclass(frozen=True)
class Stretch:
    """Bytes of a chunk that follow each other, and belong to a window.

    Args:
        chunk: which chunk, counted from that in which the window begins.
        offset: of the first byte in the chunk.
        size: in bytes.
        start: the first byte of the window that they are; without meaning where ``place`` is given.
        place: where in the window they belong, where they do not follow each other there; None: they do.
    """

    chunk: int
    offset: int
    size: int
    start: int
    place: tuple[int | slice, ...] | None


@dataclass(frozen=True)
class Plan:
    """How windows of one shape, which lie alike in their chunks, are read.

    Args:
        shape: along all axes of the dataset.
        stretches: what is read.
    """

    shape: tuple[int, ...]
    stretches: tuple[Stretch, ...]


class StoredBytes:
    """An open dataset whose values lie in the file as they are; made by ``stored_bytes``.

    Args:
        dataset: open for reading.
        file: the file descriptor that the library has open.
    """

    def __init__(self, dataset: h5py.Dataset, file: int) -> None:
        self._file = file
        self._id = dataset.id
        self._size: int = dataset.dtype.itemsize
        self._shape: tuple[int, ...] = dataset.shape
        self._begin: int | None = dataset.id.get_offset() if dataset.chunks is None else None
        self._is_whole = dataset.chunks is None
        self._chunk: tuple[int, ...] = dataset.chunks or (1, *dataset.shape[1:])  # in one piece: as chunks in a row
        self._counts = [-(-size // length) for size, length in zip(self._shape, self._chunk, strict=True)]
        jumps = [math.prod(self._counts[axis + 1 :]) for axis in range(len(self._counts))]
        self._axes = list(zip(self._shape, self._chunk, jumps, strict=True))
        self._offsets: dict[int, int | None] = {}
        self._plans: dict[tuple[Span, ...], Plan | None] = {}

    def read_rows(self, values: Values, indices: Sequence[Index]) -> list[int]:
        """Reads the values at several indices into the rows of a C-contiguous array of their shape and type.

        Returns:
            The rows that it could not read, for which the library is to be asked.
        """
        width = values.nbytes // len(values)
        if not 0 < width <= MOST_BYTES:
            return list(range(len(values)))
        memory = _bytes_of(values)
        left = []
        for row, index in enumerate(indices):
            plan, first = self._plan_of(index)
            if plan is None or not self._read(memory[row * width : (row + 1) * width], values[row], plan, first):
                left.append(row)
        return left

    def _plan_of(self, index: Index) -> tuple[Plan | None, int]:
        """How a window is read, and the chunk in which it begins; None where the library is to be asked."""
        first, spans = 0, []
        for part, (size, length, jump) in zip(index, self._axes, strict=True):
            start, stop, step = (part, part + 1, 1) if isinstance(part, int) else part.indices(size)
            if (step != 1 and stop - start > 1) or not 0 <= start < stop <= size:
                return None, 0
            first += start // length * jump
            spans.append((start % length, stop - start))
        key = tuple(spans)
        if key not in self._plans:
            if len(self._plans) >= MOST_KEPT // 100:
                self._plans.clear()
            self._plans[key] = self._plan(key)
        return self._plans[key], first

    def _plan(self, spans: Sequence[Span]) -> Plan | None:
        """Every chunk that a window touches, in stretches; None where there are too many."""
        cuts = [list(_cuts(span, length)) for span, length in zip(spans, self._chunk, strict=True)]
        if math.prod(map(len, cuts)) > MOST_READS:
            return None
        shape = tuple(length for _, length in spans)
        found: list[Stretch] = []
        for numbers in product(*(range(len(own)) for own in cuts)):
            chunk = sum(number * jump for number, (_, _, jump) in zip(numbers, self._axes, strict=True))
            own = [cuts[axis][number] for axis, number in enumerate(numbers)]
            if math.prod(length for _, length, _ in own[: self._last(own)]) + len(found) > MOST_READS:
                return None
            found += self._stretches(chunk, own, shape)
        return Plan(shape, tuple(found))

    def _last(self, cuts: Sequence[Cut]) -> int:
        """The last axis along which a chunk is not wanted as a whole: from there on its values follow each other."""
        last = len(cuts) - 1
        while last > 0 and cuts[last][1] == self._chunk[last]:
            last -= 1
        return last

    def _stretches(self, chunk: int, cuts: Sequence[Cut], shape: tuple[int, ...]) -> Iterator[Stretch]:
        """What a window has of one chunk."""
        last, in_chunk, in_window = self._last(cuts), _strides(self._chunk), _strides(shape)
        rest = cuts[last:]
        size = math.prod(length for _, length, _ in rest) * self._size
        follows = all(length == wanted for (_, length, _), wanted in zip(rest[1:], shape[last + 1 :], strict=True))
        for outer in product(*(range(length) for _, length, _ in cuts[:last])):
            at = [*outer, *(0 for _ in rest)]
            offset = sum((cut[0] + n) * stride for cut, n, stride in zip(cuts, at, in_chunk, strict=True))
            start = sum((cut[2] + n) * stride for cut, n, stride in zip(cuts, at, in_window, strict=True))
            place: tuple[int | slice, ...] = (
                *(cut[2] + n for cut, n in zip(cuts[:last], outer, strict=True)),
                *(slice(first, first + length) for _, length, first in rest),
            )
            yield Stretch(chunk, offset * self._size, size, start * self._size, None if follows else place)

    def _read(self, memory: memoryview, row: Values, plan: Plan, first: int) -> bool:
        """Reads one window; False where the file has not all of it."""
        for stretch in plan.stretches:
            offset = self._offset(first + stretch.chunk)
            if offset is None:
                return False
            if stretch.place is None:
                into = memory[stretch.start : stretch.start + stretch.size]
                if os.preadv(self._file, [into], offset + stretch.offset) != stretch.size:
                    return False
                continue
            target = row.reshape(plan.shape)[stretch.place]
            part = np.empty(target.shape, target.dtype)
            if os.preadv(self._file, [_bytes_of(part)], offset + stretch.offset) != stretch.size:
                return False
            target[...] = part
        return True

    def _offset(self, chunk: int) -> int | None:
        """Where a chunk begins in the file; None: it was never written."""
        if self._is_whole:
            width = math.prod(self._chunk) * self._size
            return None if self._begin is None else self._begin + chunk * width
        if chunk not in self._offsets:
            if len(self._offsets) >= MOST_KEPT:
                self._offsets.clear()
            numbers = np.unravel_index(chunk, self._counts)
            first = tuple(int(number) * length for number, length in zip(numbers, self._chunk, strict=True))
            self._offsets[chunk] = self._id.get_chunk_info_by_coord(first).byte_offset
        return self._offsets[chunk]


def stored_bytes(dataset: h5py.Dataset) -> StoredBytes | None:
    """A dataset whose windows can be read from the file; None where the library has to convert or to find them."""
    file, stored = dataset.file, dataset.id.get_create_plist()
    plain = (
        hasattr(os, "preadv")
        and file.driver == "sec2"
        and file.mode == "r"
        and file.userblock_size == 0
        and len(dataset.shape) > 0
        and stored.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
        and stored.get_nfilters() == 0
        and stored.get_external_count() == 0
        and dataset.dtype.kind in "fiu"
        and bool(dataset.id.get_type().equal(h5py.h5t.py_create(dataset.dtype)))
    )
    return StoredBytes(dataset, int(file.id.get_vfd_handle())) if plain else None


def many_of(
    stored: StoredBytes | None,
    read: Callable[[Index], Values],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    indices: Sequence[Index],
) -> Values:
    """Values at several indices that give one shape, as rows of one array.

    Args:
        stored: the array's bytes; None: they are read as usual.
        read: reads one index as usual.
        dtype, shape: of the array.
    """
    sizes = [len(range(*part.indices(n))) for part, n in zip(indices[0], shape, strict=True) if isinstance(part, slice)]
    values = np.empty((len(indices), *sizes), dtype)
    for row in range(len(indices)) if stored is None else stored.read_rows(values, indices):
        values[row] = read(indices[row])
    return values


def _cuts(span: Span, length: int) -> Iterator[Cut]:
    """What each chunk of a length has of a window along an axis."""
    start, size = span
    for first in range(0, start + size, length):
        low, high = max(start, first), min(start + size, first + length)
        yield low - first, high - low, low - start


def _strides(shape: Sequence[int]) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _bytes_of(values: Values) -> memoryview:
    flat: Any = values.reshape(-1).view(np.uint8)
    return memoryview(flat)
