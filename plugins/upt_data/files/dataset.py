"""The base of data sets in files: which files, which split each trajectory belongs to, which conditions it has."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from upt_core import DataError, Dataset, DataSpec, FieldSpec, Split, Trajectories
from upt_data.checks import Array
from upt_data.files.categories import Categories
from upt_data.files.cells import Cells
from upt_data.files.content import Content
from upt_data.files.holes import NOT, Holes, Perforated
from upt_data.files.paths import Place, find_files, is_file
from upt_data.files.table import ParameterTable
from upt_data.files.trajectories import FileTrajectories, Piece
from upt_data.splits import check_fractions, split_of, split_with_own, time_block

SplitBy = Literal["trajectory", "file", "time"]


@dataclass(frozen=True)
class Domain:
    """Where the points of a data set lie, as in ``DataSpec``."""

    extent: tuple[float, ...]
    periodic: tuple[bool, ...]
    grid_shape: tuple[int, ...] | None = None
    origin: tuple[float, ...] | None = None

    def of_points(self, content: Content) -> Domain:
        """The same domain of scattered points, some of those of a grid: it does not shrink with them."""
        if self.grid_shape is None:
            return self
        coords_NX = (content.whole if isinstance(content, Perforated) else content).points(0).double()
        middle = (coords_NX.amin(0) + coords_NX.amax(0)) / 2
        low = tuple((middle - torch.tensor(self.extent, dtype=torch.float64) / 2).tolist())
        return Domain(self.extent, self.periodic, None, self.origin or low)


@dataclass(frozen=True)
class Selection:
    """What is used of the files, and how it is split; the settings that all data sets in files have.

    Args:
        path: files of training data, and of the splits that have no files of their own.
        valid_path, test_path: files that are the whole of a split.
        split_by: what is dealt out to the splits: trajectories, files, or blocks of each trajectory's time steps.
        num_trajectories: only the first ones of ``path`` are used.
        time_stride: every n-th time step is kept.
        conditions: names of parameters; None: those in file names, in the table, and those that the format marks.
        table: a CSV file of parameters.
        valid_fraction, test_fraction: shares of what is dealt out.
        seed: of the dealing.
        history: time steps that the model sees.
        categories: parameters that are names, and their values.
        holes: where the domain has holes, as ``Holes.said`` takes it; None: nowhere.
        measure: how much of space each point stands for, as ``Cells`` takes it; None: as the format knows it.
    """

    path: Path | Sequence[Path]
    valid_path: Path | Sequence[Path] | None = None
    test_path: Path | Sequence[Path] | None = None
    split_by: SplitBy = "trajectory"
    num_trajectories: int | None = None
    time_stride: int = 1
    conditions: Sequence[str] | None = None
    table: Path | None = None
    valid_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 0
    history: int = 1
    holes: str | None = None
    categories: Categories = Categories()  # noqa: RUF009  it is never changed
    measure: str | None = None

    def __post_init__(self) -> None:
        check_fractions(self.valid_fraction, self.test_fraction)

    @property
    def name(self) -> str:
        """The path, for messages."""
        return str(self.path) if isinstance(self.path, Path | str) else f"{self.path[0]} and {len(self.path) - 1} more"

    @property
    def extras(self) -> tuple[str, ...]:
        """Arrays of the files that are no fields: of holes, and of areas or volumes."""
        holes = None if self.holes is None else Holes.said(self.holes).array
        cells = None if self.measure is None else Cells(self.measure).array
        return tuple(dict.fromkeys(name for name in (holes, cells) if name is not None))

    @property
    def arrays(self) -> list[Path]:
        """The .npy files that masks and areas are in."""
        said = [(self.holes or "").removeprefix(NOT).strip(), self.measure or ""]
        return [Path(text).expanduser() for text in said if text.endswith(".npy")]


class FileDataset(Dataset):
    """A data set in files; a subclass says how a file is understood (``_open``) and where its points lie."""

    suffixes: tuple[str, ...] = ()
    """How names of this format's files end: those files of a folder are taken."""
    what: str = "file"
    """What one file of this format is called, in messages."""

    def __init__(self, selection: Selection, inputs: Sequence[str], targets: Sequence[str]) -> None:
        self._selection = selection
        self._inputs = tuple(inputs)
        self._targets = tuple(targets)

    @property
    def dealing(self) -> tuple[tuple[str, object], ...]:
        """Settings, name and value, that decide which trajectory and which time steps are where."""
        names = ("split_by", "num_trajectories", "time_stride", "valid_fraction", "test_fraction", "seed")
        return tuple((name, getattr(self._selection, name)) for name in names)

    @abstractmethod
    def _open(self, place: Place) -> list[Content]:
        """What a file holds; headers are read at most.

        Raises:
            DataError: it is not of this format, or lacks what the settings name.
        """

    @abstractmethod
    def _domain(self, contents: Sequence[Content]) -> Domain:
        """Where the points of these files lie."""

    def _names(self, content: Content) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the inputs and of the targets, for formats that say them themselves."""
        return self._inputs, self._targets

    def _is_one(self, path: Path) -> bool:
        """Whether a path is one file of this format, rather than a folder of them."""
        return is_file(path)

    def _places(self, split: Split | None) -> list[Place] | None:
        """The files that are the whole of a split; None where it has none. Without a split: all others."""
        chosen = self._selection
        setting = {None: chosen.path, "train": None, "valid": chosen.valid_path, "test": chosen.test_path}[split]
        return (
            None if setting is None else find_files(setting, self.suffixes, self._is_one, self.what, chosen.categories)
        )

    @property
    def contents(self) -> list[Content]:
        """Every file, opened for its header."""
        return [content for group in self._contents.values() for content in group]

    def spec(self) -> DataSpec:
        """Fields, domain and conditions, from the files' headers."""
        contents = self.contents
        first = contents[0]
        for other in contents[1:]:
            _check_alike(first, other)
        domain = self._domain([content.whole if isinstance(content, Perforated) else content for content in contents])
        if self._selection.holes is not None:
            domain = domain.of_points(first)
        fields = {
            name: FieldSpec(name, channels).of_components(first.components(name), first.axis_names)
            for name, channels in first.channels.items()
        }
        inputs, targets = self._names(first)
        return DataSpec(
            inputs=tuple(fields[name] for name in inputs),
            targets=tuple(fields[name] for name in targets),
            extent=domain.extent,
            periodic=domain.periodic,
            grid_shape=domain.grid_shape,
            condition=tuple(
                condition for name in self._condition_names for condition in self._selection.categories.conditions(name)
            ),
            steady=first.steady,
            origin=domain.origin,
            history=self._history(first),
            axes=first.axis_names,
        )

    def _history(self, content: Content) -> int:
        if content.steady and self._selection.history > 1:
            raise DataError(f"{content.place.name}: a steady problem has no time, and so no history; leave history out")
        return self._selection.history

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split; their values are read when they are needed."""
        if self._own_places[split] is not None:
            pieces = [self._piece(content, number) for content, number in self._pairs(split)]
        elif self._selection.split_by == "time":
            pieces = [self._block(self._piece(content, number), split) for content, number in self._pairs(None)]
        else:
            pairs = self._pairs(None)
            pieces = [self._piece(*pairs[index]) for index in self._dealt(pairs, split)]
        return self._read(pieces)

    def everything(self) -> FileTrajectories:
        """Every trajectory of ``path`` in the order of the files, whole, whatever split it belongs to."""
        pieces = [self._piece(content, number) for content, number in self._pairs(None)]
        return self._read(pieces)

    def _read(self, pieces: Sequence[Piece]) -> FileTrajectories:
        stride, several = self._selection.time_stride, len(self._grids) > 1
        return FileTrajectories(pieces, self._condition, stride, several, self._cells)

    def files(self) -> list[Path]:
        """The files of all splits, the table of parameters, and the arrays that masks and areas are in."""
        places = [content.place for group in self._contents.values() for content in group]
        table = [] if self._selection.table is None else [self._selection.table]
        own = [path for place in places for path in self._files_of(place)]
        return list(dict.fromkeys([*own, *table, *self._selection.arrays]))

    def _files_of(self, place: Place) -> list[Path]:
        """The files that a place is read from."""
        return [place.path]

    def remarks(self) -> list[str]:
        """What the reader decided, each once."""
        contents = self.contents
        found = _once([(content.place.name, text) for content in contents for text in content.remarks()])
        if len(self._grids) > 1:
            sizes = ", ".join("×".join(map(str, grid or ())) for grid in self._grids)
            found.append(f"the files have several grids ({sizes}): all samples of a batch are on the same grid")
        latitude = contents[0].latitude
        if latitude is not None and self._cells is None:
            found.append(
                f"{latitude!r} holds latitudes, but means are over points: set measure: latitude for means over the "
                "sphere"
            )
        return list(dict.fromkeys(found))

    @cached_property
    def _own_places(self) -> dict[Split, list[Place] | None]:
        return {split: self._places(split) for split in ("train", "valid", "test")}

    @cached_property
    def _contents(self) -> dict[Split | None, list[Content]]:
        """The files of each split that has its own, and under None all others, opened for their headers."""
        main = self._places(None)
        places: dict[Split | None, list[Place] | None] = {None: main}
        places.update(self._own_places.items())
        return {
            split: [self._perforated(content) for place in found for content in self._open(place)]
            for split, found in places.items()
            if found
        }

    def _perforated(self, content: Content) -> Content:
        holes = self._selection.holes
        return content if holes is None else Perforated(content, Holes.said(holes))

    @cached_property
    def _grids(self) -> dict[tuple[int, ...] | None, int]:
        """The grids of all files, numbered as they first occur; None: scattered points."""
        shapes = dict.fromkeys(content.grid_shape for group in self._contents.values() for content in group)
        return {shape: number for number, shape in enumerate(shapes)}

    @cached_property
    def _first_point_set(self) -> dict[int, int]:
        """The number of each file's first point set, by the content's identity; files on one grid share one."""
        sets = {id(one): one.num_point_sets or int(self._has_own_cells) for one in self.contents}
        total = 0 if all(sets.values()) else len(self._grids)
        numbers: dict[int, int] = {}
        for content in self.contents:
            own = sets[id(content)]
            numbers[id(content)] = total if own else self._grids[content.grid_shape]
            total += own
        return numbers

    @property
    def _has_own_cells(self) -> bool:
        """Whether each file says how large its cells are; those of another on the same grid may differ."""
        return self._cells is not None and self._cells.array is not None

    @property
    def _cells(self) -> Cells | None:
        return None if self._selection.measure is None else Cells(self._selection.measure)

    @cached_property
    def _table(self) -> ParameterTable | None:
        return None if self._selection.table is None else ParameterTable(self._selection.table)

    @cached_property
    def _condition_names(self) -> tuple[str, ...]:
        if self._selection.conditions is not None:
            return tuple(self._selection.conditions)
        first = next(iter(self._contents.values()))[0]
        table = self._table.names if self._table is not None else []
        return tuple(dict.fromkeys([*first.place.parameters, *table, *first.parameters]))

    def _pairs(self, split: Split | None) -> list[tuple[Content, int]]:
        """Every trajectory of a split's files, or the first ones of the others."""
        pairs = [(content, number) for content in self._contents.get(split, []) for number in range(content.num)]
        return pairs if split is not None else pairs[: self._selection.num_trajectories]

    def _dealt(self, pairs: list[tuple[Content, int]], split: Split) -> list[int]:
        """Which of the trajectories belong to a split that has no files of its own."""
        if self._selection.split_by == "trajectory":
            return self._deal(len(pairs), split, "trajectories")
        files = list(dict.fromkeys(content.place.path for content, _ in pairs))
        chosen = {files[index] for index in self._deal(len(files), split, "files")}
        return [index for index, (content, _) in enumerate(pairs) if content.place.path in chosen]

    def _deal(self, num: int, split: Split, what: str) -> list[int]:
        chosen = self._selection
        own = [name for name in ("valid", "test") if self._own_places[name] is not None]
        fractions = (chosen.valid_fraction, chosen.test_fraction)
        if own:
            return split_with_own(num, split, own, fractions, chosen.seed, chosen.name, what)
        return split_of(num, split, *fractions, chosen.seed, chosen.name, what)

    def _piece(self, content: Content, number: int) -> Piece:
        num_times = -(-len(content.times(number)) // self._selection.time_stride)
        if num_times < 2 and not content.steady:
            raise DataError(
                f"{content.place.name}, trajectory {number}: time_stride {self._selection.time_stride} leaves fewer "
                f"than 2 of {len(content.times(number))} time steps; choose a smaller one, or a file with more"
            )
        point_set = self._first_point_set[id(content)] + content.point_set(number)
        return Piece(content, number, 0, num_times, point_set)

    def _block(self, piece: Piece, split: Split) -> Piece:
        where = f"{piece.content.place.name}, trajectory {piece.number}"
        if piece.content.steady:
            raise DataError(f"{where}: a steady problem has no time; split it by trajectory or file")
        own = tuple(name for name in ("valid", "test") if self._own_places[name] is not None)
        fractions = (self._selection.valid_fraction, self._selection.test_fraction)
        start, stop = time_block(piece.stop, split, *fractions, where, own)
        if start > 0:  # the first step's past lies in the block before, which no prediction is compared with here
            start = max(0, start - (self._selection.history - 1))
        return Piece(piece.content, piece.number, start, stop, piece.point_set)

    def _condition(self, content: Content, number: int) -> dict[str, float | Array]:
        spread = self._selection.categories.spread
        return {
            condition: value
            for name in self._condition_names
            for condition, value in spread(name, self._parameter(content, number, name)).items()
        }

    def _in_table(self, content: Content, number: int, name: str) -> float | Array | None:
        """What the table says of a trajectory: a number, or one for each of its time steps."""
        table = self._table
        if table is None or name not in table.names:
            return None
        if not table.by_step:
            return self._cell(table, content.place.path, number, name, 0)
        steps = range(len(content.times(number)))
        return np.array([self._cell(table, content.place.path, number, name, step) for step in steps])

    def _cell(self, table: ParameterTable, path: Path, number: int, name: str, step: int) -> float | None:
        if name not in self._selection.categories:
            return table.value(path, number, name, step)
        text = table.text(path, number, name, step)
        return None if text is None else self._selection.categories.number(name, text, f"{table.path}, {path.name}")

    def _parameter(self, content: Content, number: int, name: str) -> float | Array:
        """A conditioning value, or values over the times of the file, from wherever it is said.

        Raises:
            DataError: it is said nowhere, or differently at two places.
        """
        places = {
            "the file's name": content.place.parameters.get(name),
            "the table": self._in_table(content, number, name),
            "the file": content.parameter(number, name),
        }
        found = {place: value for place, value in places.items() if value is not None}
        if not found:
            raise DataError(
                f"{content.place.name}: there is no parameter called {name!r}, neither as {{{name}}} in 'path', nor in "
                f"'table', nor as an array or attribute of the file; correct 'conditions'"
            )
        values = [value for value in found.values() if isinstance(value, float)]
        if len(values) < len(found) > 1:
            raise DataError(
                f"{content.place.name}: {name!r} is given in {' and '.join(found)}, and for each time in one of them; "
                "keep only one"
            )
        if not values:
            return next(iter(found.values()))
        if max(values) - min(values) > 1e-6 * max(map(abs, values)):
            said = ", ".join(f"{place} says {value:g}" for place, value in found.items())
            raise DataError(
                f"{content.place.name}, trajectory {number}: {name!r} is ambiguous: {said}; correct one of them"
            )
        return values[0]


def _once(remarks: Sequence[tuple[str, str]]) -> list[str]:
    """Remarks on files, each said once: of the first file, and how many more it is true of.

    Args:
        remarks: the file's name, and the remark, which begins with it where it is of this file alone.
    """
    of: dict[str, list[str]] = {}
    for name, text in remarks:
        of.setdefault(text.removeprefix(name), []).append(name if text.startswith(name) else "")
    found = []
    for text, names in of.items():
        others = f" and {len(names) - 1} more files" if names[0] and len(names) > 2 else ""
        others = f" and {names[1]}" if names[0] and len(names) == 2 else others
        found.append(f"{names[0]}{others}{text}")
    return found


def _check_alike(first: Content, other: Content) -> None:
    for what, theirs, ours in (
        ("fields", other.channels, first.channels),
        ("kind of problem", _kind(other), _kind(first)),
        ("parameters in its name", sorted(other.place.parameters), sorted(first.place.parameters)),
    ):
        if theirs != ours:
            raise DataError(
                f"{other.place.name}: has the {what} {theirs}, but {first.place.name} has {ours}; all files of a data "
                "set must agree; leave this one out"
            )


def those_predicted(names: Sequence[str], targets: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """The fields among ``names`` that are predicted; None: all. The others are given.

    Raises:
        DataError: a target is none of them.
    """
    if targets is None:
        return tuple(names)
    if unknown := [name for name in targets if name not in names]:
        raise DataError(
            f"{where}: 'targets' names {', '.join(unknown)}, but the fields that change in time are {', '.join(names)}"
        )
    return tuple(targets)


def _kind(content: Content) -> str:
    return "steady" if content.steady else "moving in time"
