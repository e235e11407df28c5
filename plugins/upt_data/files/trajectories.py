"""The trajectories of one split of a data set in files, read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from upt_core import DataError, Trajectory
from upt_data.checks import Array, check_finite, surely_finite
from upt_data.files.content import Content
from upt_data.foreign import reading

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
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        condition: Callable[[Content, int], dict[str, float | Array]],
        stride: int,
        on_grids: bool = False,
    ) -> None:
        self._pieces = list(pieces)
        self._conditions = [condition(piece.content, piece.number) for piece in pieces]
        self._stride = stride
        self._on_grids = on_grids
        self._keep = 8 * sum(map(_num_values, pieces)) <= KEPT_BYTES
        self._kept: dict[int, dict[str, Tensor]] = {}
        self._places: tuple[int, tuple[Tensor, Tensor | None] | None] = (-1, None)

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
        if self._keep:
            if index not in self._kept:
                self._kept[index] = self._fields(piece, 0, self.num_times(index))
            fields = {
                name: value if len(value) == 1 else value[start:stop] for name, value in self._kept[index].items()
            }
        else:
            fields = self._fields(piece, start, stop)
        first = piece.start + start
        time_T = torch.from_numpy(self._times(piece)[first : piece.start + stop].copy())
        steps = slice(first, piece.start + stop)
        condition = {
            name: value if isinstance(value, float) else torch.from_numpy(value[:: self._stride][steps].copy())
            for name, value in self._conditions[index].items()
        }
        coords_NX, measure_N = self._points(piece)
        return Trajectory(fields, coords_NX, time_T, condition, piece.point_set, measure_N, self.grid_shape(index))

    def _times(self, piece: Piece) -> np.ndarray[tuple[int], np.dtype[np.floating]]:
        return np.asarray(piece.content.times(piece.number)[:: self._stride], dtype=np.float64)

    def _points(self, piece: Piece) -> tuple[Tensor, Tensor | None]:
        """The points and their measure; trajectories that share them share their memory."""
        number, places = self._places
        if places is None or number != piece.point_set:
            places = piece.content.points(piece.number), piece.content.measure(piece.number)
            self._places = (piece.point_set, places)
        return places

    def _fields(self, piece: Piece, start: int, stop: int) -> dict[str, Tensor]:
        first, stride = (piece.start + start) * self._stride, self._stride
        steps = slice(first, (piece.start + stop - 1) * stride + 1, stride)
        return {name: self._field(piece, name, steps, stop - start) for name in piece.content.channels}

    def _field(self, piece: Piece, name: str, steps: slice, num_steps: int) -> Tensor:
        content, number = piece.content, piece.number
        with reading(f"{_where(content, name)}, trajectory {number}: cannot be read", "fetch the file again"):
            value = content.read(name, number, steps)
        expected = (content.num_points(number), content.channels[name])
        if value.shape[1:] != expected or len(value) not in (1, num_steps):
            raise DataError(
                f"{_where(content, name)}, trajectory {number}: found {value.shape} (times, points, channels), "
                f"expected {(num_steps, *expected)} as in the first trajectory"
            )
        if value.dtype.kind not in "fiub":
            raise DataError(
                f"{_where(content, name)}, trajectory {number}: holds {value.dtype}, which are no real numbers; store "
                f"numbers, or name another array"
            )
        wide = value.dtype.kind in "fiu" and value.dtype.itemsize > 2 and value.dtype != np.float32
        kept = np.ascontiguousarray(value, dtype=np.float64 if wide else np.float32)
        kept_TNC = torch.from_numpy(kept if kept.flags.writeable else kept.copy())
        if not surely_finite(kept_TNC):
            where = f"{_where(content, name)}, trajectory {number}"
            check_finite(kept_TNC, where, content.cure(), steps.start, self._stride)
        return kept_TNC


def _where(content: Content, field: str) -> str:
    return f"{content.place.name}, {content.parts(field)}"


def _num_values(piece: Piece) -> int:
    values = piece.content.num_points(piece.number) * sum(piece.content.channels.values())
    return values * (piece.stop - piece.start)
