"""A folder of CSV files, one for each trajectory: what comes out of a measurement or a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, FieldSpec, InMemory, Split, Trajectories, Trajectory, split_indices


class CsvFolder(Dataset):
    """Each file has a header and a row for each point and time: the time, coordinates, then the fields.

    Rows of one time stand together, and each time lists the same points in the same order. Points are scattered to
    upt: no grid is guessed. All files are read into memory.

    Args:
        path: the folder.
        fields: columns that are fields.
        coordinates: columns that are coordinates.
        time: column of the time.
        valid_fraction: share of the files kept for validation.
        test_fraction: share of the files kept for test.
        seed: of the split.
    """

    def __init__(
        self,
        path: Path,
        fields: Annotated[list[str], Field(min_length=1)] = ["u"],  # noqa: B006 (never changed; shown in the schema)
        coordinates: Annotated[list[str], Field(min_length=1)] = ["x"],  # noqa: B006
        time: str = "t",
        valid_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1,
        test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1,
        seed: int = 0,
    ) -> None:
        self.path, self.fields, self.coordinates, self.time = path, list(fields), list(coordinates), time
        self.valid_fraction, self.test_fraction, self.seed = valid_fraction, test_fraction, seed
        self._read: list[Trajectory] | None = None

    def files(self) -> list[Path]:
        """The CSV files, by name."""
        found = sorted(self.path.glob("*.csv"))
        if not found:
            raise DataError(
                f"{self.path}: no file here ends in .csv; name a folder with a CSV file for each trajectory"
            )
        return found

    def spec(self) -> DataSpec:
        """Scalar fields at scattered points in the bounding box of all files."""
        named = tuple(FieldSpec(name) for name in self.fields)
        corners = [trajectory.coords_NX.aminmax(dim=0) for trajectory in self._all()]
        low_X = torch.stack([corner.min for corner in corners]).amin(0)
        high_X = torch.stack([corner.max for corner in corners]).amax(0)
        extent, origin = tuple((high_X - low_X).tolist()), tuple(low_X.tolist())
        return DataSpec(named, named, extent, (False,) * len(extent), origin=origin)

    def trajectories(self, split: Split) -> Trajectories:
        """Files of a split."""
        read = self._all()
        chosen = split_indices(len(read), split, self.valid_fraction, self.test_fraction, self.seed)
        return InMemory([read[number] for number in chosen])

    def _all(self) -> list[Trajectory]:
        if self._read is None:
            self._read = [self._trajectory(file, number) for number, file in enumerate(self.files())]
        return self._read

    def _trajectory(self, file: Path, number: int) -> Trajectory:
        column = table_of(file, [self.time, *self.coordinates, *self.fields])
        time_T = column[self.time].unique_consecutive()
        steps = len(time_T)
        if len(column[self.time]) % steps or (column[self.time].view(steps, -1) != time_T.unsqueeze(1)).any():
            raise DataError(
                f"{file}, {self.time!r}: the times have different numbers of rows; each time needs a row for each point"
            )
        if (time_T.diff() <= 0).any():
            raise DataError(f"{file}, {self.time!r}: times do not increase from block to block; sort the rows by time")
        coords_TNX = torch.stack([column[name].view(steps, -1) for name in self.coordinates], dim=-1)
        if (coords_TNX != coords_TNX[0]).any():
            raise DataError(
                f"{file}, {', '.join(self.coordinates)}: points change from time to time; each time must list the same "
                f"points in the same order"
            )
        fields = {name: column[name].view(steps, -1, 1) for name in self.fields}
        return Trajectory(fields, coords_TNX[0], time_T, {}, point_set=number)


def table_of(file: Path, names: list[str]) -> dict[str, Tensor]:
    """Columns of a CSV file by the names in its header, float64.

    Raises:
        DataError: a column is missing, or a cell is no finite number.
    """
    with file.open(newline="", encoding="utf-8-sig") as opened:  # spreadsheets like to begin with a byte order mark
        header, *rows = [row for row in csv.reader(opened) if row] or [[]]
    missing = [name for name in names if name not in header]
    if missing:
        raise DataError(f"{file}: no column is called {missing[0]!r}; the file has: {', '.join(header) or 'nothing'}")
    if not rows:
        raise DataError(f"{file}: there is a header and no row")
    columns: dict[str, Tensor] = {}
    for name in names:
        place = header.index(name)
        values = [_number(row, place, name, file, line) for line, row in enumerate(rows, start=2)]
        columns[name] = torch.from_numpy(np.array(values))
    return columns


def _number(row: list[str], place: int, name: str, file: Path, line: int) -> float:
    cell = row[place] if place < len(row) else ""
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise DataError(f"{file}, line {line}, {name!r}: {cell!r} is no finite number")
    return value
