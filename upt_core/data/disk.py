"""The files of a data set as they were when a run began: a change is noticed without reading them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

MOST_LISTED = 100_000
"""So many names of a folder are counted; of a larger one the first of them, in the order of their names."""

MOST_LOOKED_AT = 4096
"""Of so many files size and time stamp are looked at; of more, of evenly spaced ones."""

T = TypeVar("T")


@dataclass(frozen=True)
class Stamp:
    """What a look at a file, or at a folder with all that is in it, tells without reading.

    Args:
        entries: files and folders; 1 for a file.
        size: bytes of the files that were looked at.
        newest: the latest time stamp, in nanoseconds.
    """

    entries: int
    size: int
    newest: int

    def __str__(self) -> str:
        written = datetime.fromtimestamp(self.newest / 1e9).astimezone().isoformat(" ", "milliseconds")
        inside = f" in {self.entries} files and folders" if self.entries > 1 else ""
        return f"{self.size} bytes{inside}, last written {written}"


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file or folder; None where it is not there, or cannot be looked at.

    The cost of a folder is bounded: the store of a large array may have millions of chunks.
    """
    try:
        own = os.stat(path)
        if not os.path.isdir(path):
            return Stamp(1, own.st_size, own.st_mtime_ns)
        listed = list(islice(_names_in(path), MOST_LISTED))
        looked_at = [os.stat(name) for name in spread(listed, MOST_LOOKED_AT)]
    except OSError:
        return None
    newest = max(own.st_mtime_ns, *(one.st_mtime_ns for one in looked_at)) if looked_at else own.st_mtime_ns
    return Stamp(len(listed), sum(one.st_size for one in looked_at), newest)


class Files:
    """Files and folders, compared with themselves.

    Args:
        paths: each file, or each folder of which all that is in it counts.

    Attributes:
        at_first: the stamps of those that are looked at, when this was made; None for what was not there.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = list(dict.fromkeys(paths))
        self.at_first = {path: stamp_of(path) for path in spread(self.paths, MOST_LOOKED_AT)}

    def changes(self) -> list[str]:
        """What is not as it was at first, a line for each file or folder."""
        return [_told(path, was, now) for path, was in self.at_first.items() if (now := stamp_of(path)) != was]


def spread(items: Sequence[T], most: int) -> list[T]:
    """All items, or ``most`` evenly spaced ones, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[number * (len(items) - 1) // (most - 1)] for number in range(most)]


def _told(path: Path, was: Stamp | None, now: Stamp | None) -> str:
    if now is None:
        return f"{path} no longer exists; it had {was}"
    return f"{path} had {was}; now it has {now}" if was is not None else f"{path} did not exist; now it has {now}"


def _names_in(folder: Path) -> Iterator[str]:
    """Everything below a folder, always in the same order."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (os.path.join(parent, name) for name in (*folders, *sorted(files)))
