"""The answers of many batches as one, kept on disk: more of them than fit into memory can be written and drawn."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Self

import numpy as np

from upt_core.errors import DataError
from upt_core.operator.answers import Answers
from upt_core.operator.prediction import Array


class Gathered:
    """Takes answers batch by batch; only one batch of them is in memory. A context: its end closes the files.

    Args:
        folder: with room for all of them; None: the system's for temporary files. The files there have no name, so
            nothing is left of a process that is killed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._files = ExitStack()
        self._fields: dict[str, _Rows] = {}
        self._coords: _Rows | None = None
        self._first: Answers | None = None
        self._times: list[Array] = []
        self._remarks: dict[str, None] = {}
        self.samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()

    def add(self, part: Answers) -> None:
        """Appends the samples of a batch.

        Raises:
            DataError: they have other numbers of points or time steps than those before, so that no array holds them.
            OSError: the disk is full.
        """
        first = self._first = self._first or part
        if _shape(part) != _shape(first):
            raise DataError(
                "trajectories have different numbers of points or time steps, so their predictions do not fit into "
                "one array; give --at or --resolution, and --steps, or one file for each trajectory"
            )
        for name, value in part.fields.items():
            self._rows(name).add(value)
        self._add_coords(part, first)
        if part.times is not None:
            self._times.append(np.broadcast_to(part.times, (part.samples, part.times.shape[-1])))
        self._remarks.update(dict.fromkeys(part.remarks))
        self.samples += part.samples

    def answers(self) -> Answers:
        """All of them; fields, and coordinates that differ between samples, are read from disk where they are used."""
        first = self._first
        assert first is not None
        return replace(
            first,
            fields={name: rows.array() for name, rows in self._fields.items()},
            coords=first.coords if self._coords is None else self._coords.array(),
            times=None if first.times is None else _shared(np.concatenate(self._times), first.times),
            remarks=tuple(self._remarks),
        )

    def _rows(self, name: str) -> _Rows:
        if name not in self._fields:
            self._fields[name] = _Rows(self._file())
        return self._fields[name]

    def _file(self) -> IO[bytes]:
        return self._files.enter_context(tempfile.TemporaryFile(dir=self._folder))

    def _add_coords(self, part: Answers, first: Answers) -> None:
        """Coordinates are kept once while all samples have the same, and for each sample from where they differ."""
        if self._coords is None and part.coords.ndim == 2 and np.array_equal(part.coords, first.coords):
            return
        if self._coords is None:
            self._coords = _Rows(self._file())
            for _ in range(self.samples):
                self._coords.add(first.coords[None])
        self._coords.add(np.broadcast_to(part.coords, (part.samples, *part.coords.shape[-2:])))


class _Rows:
    """An array that grows along its first axis, in a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._count = file, 0
        self._row: Array = np.empty(0)

    def add(self, value: Array) -> None:
        for row in value:
            self._row = np.ascontiguousarray(row)
            self._file.write(self._row.data)
        self._count += len(value)

    def array(self) -> Array:
        """Mapped; it outlives the closing of the file."""
        self._file.flush()
        return np.memmap(self._file, self._row.dtype, mode="r", shape=(self._count, *self._row.shape))


def _shape(answers: Answers) -> tuple[object, ...]:
    return answers.num_points, answers.grid_shape, answers.times is None or answers.times.shape[-1]


def _shared(times: Array, first: Array) -> Array:
    """The times (samples, T) as (T,) where they are the same for all and the first batch had them so."""
    return first if first.ndim == 1 and bool((times == first).all()) else times
