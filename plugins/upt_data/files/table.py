"""A table of parameters (CSV): one row for each file, trajectory of a file, or time step of one."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from upt_core import DataError
from upt_data.checks import existing

FILE, TRAJECTORY, STEP = "file", "trajectory", "step"


class ParameterTable:
    """Numbers by file, trajectory and step; every column but ``file``, ``trajectory`` and ``step`` is a parameter.

    Args:
        path: the CSV file; its first row names the columns. ``file`` holds names of files (their folders do not
            count), ``trajectory`` numbers from 0 within a file, ``step`` numbers of the file's time steps from 0: then
            there is a row for each, and parameters change in time. Without ``file`` there is one row for each
            trajectory (or step) of the only file, or all rows have a ``trajectory``.

    Raises:
        DataError: it is not such a table.
    """

    def __init__(self, path: Path) -> None:
        self.path = existing(path)
        columns, rows = self._read()
        self.names = [name for name in columns if name not in (FILE, TRAJECTORY, STEP)]
        self.by_step = STEP in columns
        alone = FILE not in columns and not self.by_step
        self._by_file, self._by_number = FILE in columns, TRAJECTORY in columns or alone
        self._rows: dict[tuple[str, int, int], dict[str, str]] = {}
        for line, row in enumerate(rows):
            key = self._key(row, line)
            if key in self._rows:
                raise DataError(f"{self.path}, row {line + 2}: {self._named(*key)} occurs twice; keep one row")
            self._rows[key] = row

    def text(self, file: Path, number: int, name: str, step: int = 0) -> str | None:
        """What the table says of a trajectory of a file, at a time step; None where it has no such column.

        Raises:
            DataError: the trajectory, or the step, has no row.
        """
        if name not in self.names:
            return None
        key = self._place(file, number, step)
        row = self._rows.get(key)
        if row is None:
            raise DataError(f"{self.path}: there is no row for {self._named(*key)}; add it")
        return row[name] or ""

    def value(self, file: Path, number: int, name: str, step: int = 0) -> float | None:
        """A parameter of a trajectory of a file, at a time step; None where the table has no such column.

        Raises:
            DataError: the trajectory, or the step, has no row, or the cell holds no finite number.
        """
        text = self.text(file, number, name, step)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            which = self._named(*self._place(file, number, step))
            raise DataError(
                f"{self.path}, column {name!r}, {which}: expected a finite number, found {text!r}; correct it, or "
                "leave this column out of 'conditions'"
            )
        return value

    def _read(self) -> tuple[Sequence[str], list[dict[str, str]]]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream, skipinitialspace=True)
                rows = list(reader)
                columns = [name.strip() for name in reader.fieldnames or []]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self.path}: not a text table ({error}); write a CSV file") from error
        if not rows or not set(columns) - {FILE, TRAJECTORY, STEP}:
            raise DataError(
                f"{self.path}: expected a first row of names, 'file' among them, and a row for each file; found the "
                f"columns {', '.join(columns) or 'none'} and {len(rows)} rows"
            )
        if uneven := [number + 2 for number, row in enumerate(rows) if None in row or None in row.values()]:
            raise DataError(f"{self.path}, row {uneven[0]}: expected {len(columns)} cells as in the first row")
        return columns, [{name.strip(): text for name, text in row.items()} for row in rows]

    def _key(self, row: dict[str, str], line: int) -> tuple[str, int, int]:
        number, step = (self._number(row, name, line) for name in (TRAJECTORY, STEP))
        return self._place(Path(row.get(FILE, "").strip()), number, step)

    def _number(self, row: dict[str, str], name: str, line: int) -> int:
        """What stands in a column of numbers from 0; without the column the row's own number."""
        text = row.get(name)
        if text is not None and not text.strip().isdigit():
            raise DataError(f"{self.path}, row {line + 2}: {name!r} should be a number from 0, found {text!r}")
        return line if text is None else int(text)

    def _place(self, file: Path, number: int, step: int) -> tuple[str, int, int]:
        own = file.name if self._by_file else ""
        return own, number if self._by_number else -1, step if self.by_step else -1

    def _named(self, file: str, number: int, step: int) -> str:
        parts = [file] if file else []
        parts += [f"trajectory {number}"] if number >= 0 else []
        return " ".join([*parts, *([f"time step {step}"] if step >= 0 else [])])
