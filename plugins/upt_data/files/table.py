"""A table of parameters (CSV): one row for each file, or for each trajectory of a file."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from upt_core import DataError
from upt_data.checks import existing

FILE, TRAJECTORY = "file", "trajectory"


class ParameterTable:
    """Numbers by file and trajectory; every column but ``file`` and ``trajectory`` is a parameter.

    Args:
        path: the CSV file; its first row names the columns. ``file`` holds names of files (their folders do not
            count), ``trajectory`` numbers from 0 within a file. Without ``file`` there is one row for each trajectory
            of the only file, or all rows have a ``trajectory``.

    Raises:
        DataError: it is not such a table.
    """

    def __init__(self, path: Path) -> None:
        self.path = existing(path)
        columns, rows = self._read()
        self.names = [name for name in columns if name not in (FILE, TRAJECTORY)]
        self._by_file, self._by_number = FILE in columns, TRAJECTORY in columns or FILE not in columns
        self._rows: dict[tuple[str, int], dict[str, str]] = {}
        for line, row in enumerate(rows):
            key = self._key(row, line)
            if key in self._rows:
                raise DataError(f"{self.path}, row {line + 2}: {self._named(*key)} is there twice; keep one row")
            self._rows[key] = row

    def text(self, file: Path, number: int, name: str) -> str | None:
        """What the table says of a trajectory of a file; None where it has no such column.

        Raises:
            DataError: the trajectory has no row.
        """
        if name not in self.names:
            return None
        key = self._place(file, number)
        row = self._rows.get(key)
        if row is None:
            raise DataError(f"{self.path}: there is no row for {self._named(*key)}; add it")
        return row[name] or ""

    def value(self, file: Path, number: int, name: str) -> float | None:
        """A parameter of a trajectory of a file; None where the table has no such column.

        Raises:
            DataError: the trajectory has no row, or the cell holds no finite number.
        """
        text = self.text(file, number, name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            which = self._named(*self._place(file, number))
            raise DataError(
                f"{self.path}, column {name!r}, {which}: expected a finite number, found {text!r}; write "
                f"one, or name only the other columns in 'conditions'"
            )
        return value

    def _read(self) -> tuple[Sequence[str], list[dict[str, str]]]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream, skipinitialspace=True)
                rows = list(reader)
                columns = [name.strip() for name in reader.fieldnames or []]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self.path}: not a table of text ({error}); write a CSV file") from error
        if not rows or not set(columns) - {FILE, TRAJECTORY}:
            raise DataError(
                f"{self.path}: expected a first row of names, 'file' among them, and a row for each file; found the "
                f"columns {', '.join(columns) or 'none'} and {len(rows)} rows"
            )
        if uneven := [number + 2 for number, row in enumerate(rows) if None in row or None in row.values()]:
            raise DataError(f"{self.path}, row {uneven[0]}: expected {len(columns)} cells as in the first row")
        return columns, [{name.strip(): text for name, text in row.items()} for row in rows]

    def _key(self, row: dict[str, str], line: int) -> tuple[str, int]:
        text = row.get(TRAJECTORY)
        if text is not None and not text.strip().isdigit():
            raise DataError(f"{self.path}, row {line + 2}: 'trajectory' should be a number from 0, found {text!r}")
        number = line if text is None else int(text)
        return (Path(row[FILE].strip()).name if self._by_file else "", number if self._by_number else -1)

    def _place(self, file: Path, number: int) -> tuple[str, int]:
        return (file.name if self._by_file else "", number if self._by_number else -1)

    def _named(self, file: str, number: int) -> str:
        return " ".join([*([file] if file else []), *([f"trajectory {number}"] if number >= 0 else [])])
