"""The trajectories of one split of a data set in files, read when they are needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from upt_core import DataError, StackedWindows, Trajectory
from upt_data.checks import Array, check_finite, surely_finite
from upt_data.files.cells import Cells
from upt_data.files.content import Content, Values
from upt_data.foreign import reading

REAL = "fiub"
"""Kinds of numpy's types whose values are real numbers."""
Window = tuple[int, int, int]
KEPT_POINT_BYTES = 2**26
"""So much is kept of point sets that were read, the latest ones."""
KEPT_BYTES = 2**28
"""A split that needs no more memory than this is kept after it was read once; of a larger one nothing is kept."""


@dataclass(frozen=True)
class Piece:
    """A trajectory of a file, or a block of its time steps.

    Args:
        content: the file.
        number: of the trajectory in the file.
        start, stop: of the time steps that are kept, those from start to before stop.
        point_set: number of its points among those of the data set.
    """

    content: Content
    number: int
    start: int
    stop: int
    point_set: int


class FileTrajectories:
    """Trajectories of one split.

    Args:
        pieces: which they are.
        condition: the conditioning values of a trajectory of a file; arrays over its times in the file.
        stride: time steps of the file for each that is kept.
        on_grids: whether the data set has several grids, so that each trajectory says its own.
        cells: says how much of space each point stands for; None: the format does.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        condition: Callable[[Content, int], dict[str, float | Array]],
        stride: int,
        on_grids: bool = False,
        cells: Cells | None = None,
    ) -> None:
        self._pieces = list(pieces)
        self._conditions = [condition(piece.content, piece.number) for piece in pieces]
        self._stride = stride
        self._on_grids = on_grids
        self._cells = cells
        self._keep = 8 * sum(map(_num_values, pieces)) <= KEPT_BYTES
        self._kept: dict[int, dict[str, Tensor]] = {}
        self._known_times: dict[int, Array] = {}
        self._places: OrderedDict[int, tuple[Tensor, Tensor | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pieces)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}  # another process reads what it needs itself

    @property
    def held(self) -> bool:
        """Whether every trajectory was read, and is kept in memory."""
        return len(self._kept) == len(self._pieces)

    def num_times(self, index: int) -> int:
        """Number of time steps that are kept of a trajectory."""
        return self._pieces[index].stop - self._pieces[index].start

    def grid_shape(self, index: int) -> tuple[int, ...] | None:
        """Points along each axis of the grid of a trajectory, where there are several; None: that of the data set."""
        return self._pieces[index].content.grid_shape if self._on_grids else None

    def place(self, index: int) -> str:
        """The file of a trajectory, and its number in it, for messages."""
        piece = self._pieces[index]
        return f"{piece.content.place.name}, trajectory {piece.number}"

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop, of those that are kept.

        Raises:
            DataError: the values are not finite, have another shape than the first, or the file changed.
        """
        piece = self._pieces[index]
        fields = self._kept_fields(index, start, stop) if self._keep else self._fields(piece, start, stop)
        time_T = torch.from_numpy(self._times_of(index)[start:stop].copy())
        condition = self._condition_of(index, start, stop)
        coords_NX, measure_N = self._points(piece)
        return Trajectory(fields, coords_NX, time_T, condition, piece.point_set, measure_N, self.grid_shape(index))

    def read_many(self, windows: Sequence[Window]) -> StackedWindows | None:
        """Several windows at once; None where their points differ, or where one of them is damaged or not finite."""
        pieces = [self._pieces[index] for index, _, _ in windows]
        first = pieces[0]
        if any(piece.point_set != first.point_set for piece in pieces):
            return None
        try:
            fields = self._kept_rows(windows) if self._keep else self._rows(pieces, windows)
        except DataError:
            return None
        condition = self._stacked_conditions(windows)
        if fields is None or condition is None:
            return None
        times = np.concatenate([self._times_of(index)[start:stop] for index, start, stop in windows])
        coords_NX, measure_N = self._points(first)
        time_BT = torch.from_numpy(times).view(len(windows), -1)
        grid_shape = self.grid_shape(windows[0][0])
        return StackedWindows(fields, coords_NX, time_BT, condition, first.point_set, measure_N, grid_shape)

    def _stacked_conditions(self, windows: Sequence[Window]) -> dict[str, Tensor] | None:
        if not self._conditions[windows[0][0]]:
            return {}
        return StackedWindows.conditions([self._condition_of(*window) for window in windows])

    def _times_of(self, index: int) -> Array:
        """Times of the steps that are kept of a trajectory; read-only."""
        if index not in self._known_times:
            piece = self._pieces[index]
            self._known_times[index] = self._times(piece)[piece.start : piece.stop]
        return self._known_times[index]

    def _kept_fields(self, index: int, start: int, stop: int) -> dict[str, Tensor]:
        if index not in self._kept:
            self._kept[index] = self._fields(self._pieces[index], 0, self.num_times(index))
        return {name: value if len(value) == 1 else value[start:stop] for name, value in self._kept[index].items()}

    def _condition_of(self, index: int, start: int, stop: int) -> dict[str, float | Tensor]:
        first = self._pieces[index].start
        steps = slice(first + start, first + stop)
        return {
            name: value if isinstance(value, float) else torch.from_numpy(value[:: self._stride][steps].copy())
            for name, value in self._conditions[index].items()
        }

    def _kept_rows(self, windows: Sequence[Window]) -> dict[str, Tensor] | None:
        return StackedWindows.rows([self._kept_fields(*window) for window in windows])

    def _rows(self, pieces: Sequence[Piece], windows: Sequence[Window]) -> dict[str, Tensor] | None:
        """The fields of windows, each file asked once; None where they are not alike, or not finite."""
        asked: dict[int, list[int]] = {}
        for row, piece in enumerate(pieces):
            asked.setdefault(id(piece.content), []).append(row)
        steps = [self._steps(piece, *window[1:]) for piece, window in zip(pieces, windows, strict=True)]
        found = {}
        for name in pieces[0].content.channels:
            parts = []
            for rows in asked.values():
                content = pieces[rows[0]].content
                with reading(f"{_where(content, name)}: cannot be read", "download or copy the file again"):
                    parts.append(content.read_many(name, [(pieces[row].number, steps[row]) for row in rows]))
            value = _merged(parts, list(asked.values()))
            expected = (pieces[0].content.num_points(pieces[0].number), pieces[0].content.channels[name])
            num_steps = windows[0][2] - windows[0][1]
            if value is None or value.shape[2:] != expected or value.shape[1] not in (1, num_steps):
                return None
            if value.dtype.kind not in REAL:
                return None
            found[name] = _tensor(value)
            if not surely_finite(found[name]):
                return None
        return found

    def _steps(self, piece: Piece, start: int, stop: int) -> slice:
        """Time steps of the file."""
        return slice((piece.start + start) * self._stride, (piece.start + stop - 1) * self._stride + 1, self._stride)

    def _times(self, piece: Piece) -> np.ndarray[tuple[int], np.dtype[np.floating]]:
        return np.asarray(piece.content.times(piece.number)[:: self._stride], dtype=np.float64)

    def _points(self, piece: Piece) -> tuple[Tensor, Tensor | None]:
        """The points and their measure; trajectories that share them share their memory."""
        places = self._places.get(piece.point_set)
        if places is None:
            own = piece.content.measure if self._cells is None else partial(self._cells.of, piece.content)
            places = self._places[piece.point_set] = piece.content.points(piece.number), own(piece.number)
            while len(self._places) > 1 and sum(map(_num_bytes, self._places.values())) > KEPT_POINT_BYTES:
                self._places.popitem(last=False)
        return places

    def _fields(self, piece: Piece, start: int, stop: int) -> dict[str, Tensor]:
        steps = self._steps(piece, start, stop)
        return {name: self._field(piece, name, steps, stop - start) for name in piece.content.channels}

    def _field(self, piece: Piece, name: str, steps: slice, num_steps: int) -> Tensor:
        content, number = piece.content, piece.number
        with reading(
            f"{_where(content, name)}, trajectory {number}: cannot be read", "download or copy the file again"
        ):
            value = content.read(name, number, steps)
        expected = (content.num_points(number), content.channels[name])
        if value.shape[1:] != expected or len(value) not in (1, num_steps):
            raise DataError(
                f"{_where(content, name)}, trajectory {number}: found {value.shape} (times, points, channels), "
                f"expected {(num_steps, *expected)} as in the first trajectory"
            )
        if value.dtype.kind not in REAL:
            raise DataError(
                f"{_where(content, name)}, trajectory {number}: holds {value.dtype}, which are not real numbers; "
                "store real numbers, or name another array"
            )
        kept_TNC = _tensor(value)
        if not surely_finite(kept_TNC):
            where = f"{_where(content, name)}, trajectory {number}"
            check_finite(kept_TNC, where, content.cure(), steps.start, self._stride)
        return kept_TNC


def _tensor(value: Values) -> Tensor:
    """Real numbers as floats of torch's own: float64 where float32 would lose digits."""
    wide = value.dtype.kind in "fiu" and value.dtype.itemsize > 2 and value.dtype != np.float32
    kept = np.ascontiguousarray(value, dtype=np.float64 if wide else np.float32)
    return torch.from_numpy(kept if kept.flags.writeable else kept.copy())


def _merged(parts: Sequence[Values], rows: Sequence[Sequence[int]]) -> Values | None:
    """Parts of a batch, each with its rows, as one; None where they are not alike."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    if any(part.shape[1:] != first.shape[1:] or part.dtype != first.dtype for part in parts):
        return None
    values = np.empty((sum(map(len, parts)), *first.shape[1:]), first.dtype)
    for part, own in zip(parts, rows, strict=True):
        values[list(own)] = part
    return values


def _num_bytes(places: tuple[Tensor, Tensor | None]) -> int:
    return sum(part.nbytes for part in places if part is not None)


def _where(content: Content, field: str) -> str:
    return f"{content.place.name}, {content.parts(field)}"


def _num_values(piece: Piece) -> int:
    values = piece.content.num_points(piece.number) * sum(piece.content.channels.values())
    return values * (piece.stop - piece.start)
