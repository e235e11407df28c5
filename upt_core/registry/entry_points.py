"""Entry points of installed distributions, read from the folders on Python's path.

``importlib.metadata`` finds the same and takes a quarter of the time of ``upt --help`` to be imported alone. It is
asked wherever distributions may be elsewhere than in folders.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from importlib.machinery import PathFinder
from typing import Any, Protocol

_ENDINGS = ("dist-info", "egg-info")
_VALUE = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+)\s*)?(?:\[.*\]\s*)?")


class Owner(Protocol):
    """A distribution, as ``importlib.metadata.Distribution`` is one."""

    @property
    def name(self) -> str | None:
        """As its metadata give it."""

    @property
    def version(self) -> str | None:
        """As its metadata give it."""


class Point(Protocol):
    """An entry point, as ``importlib.metadata.EntryPoint`` is one."""

    @property
    def name(self) -> str:
        """Of the entry point."""

    @property
    def dist(self) -> Owner | None:
        """The distribution that has it."""

    def load(self) -> Any:
        """The object that it names."""


class FoundDistribution:
    """A distribution that is installed in a folder.

    Args:
        folder: ``NAME-VERSION.dist-info`` or ``NAME.egg-info``.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    @property
    def name(self) -> str | None:
        """As its metadata give it; None: they do not."""
        return self._headers.get("name")

    @property
    def version(self) -> str | None:
        """As its metadata give it; None: they do not."""
        return self._headers.get("version")

    @cached_property
    def _headers(self) -> dict[str, str]:
        text = _text(self._folder, "METADATA") or _text(self._folder, "PKG-INFO")
        lines = text.partition("\n\n")[0].splitlines()  # a description follows
        return {key.lower(): value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}


@dataclass(frozen=True)
class FoundPoint:
    """One line of a file ``entry_points.txt``.

    Args:
        name: of the entry point.
        value: ``package.module`` or ``package.module:object``.
        dist: the distribution that has it.
    """

    name: str
    value: str
    dist: FoundDistribution

    def load(self) -> Any:
        """The object that it names.

        Raises:
            ValueError: the value names none.
        """
        match = _VALUE.fullmatch(self.value)
        if match is None:
            raise ValueError(f"{self.value!r} is not 'package.module' or 'package.module:object'")
        module, path = match.groups()
        return reduce(getattr, path.split(".") if path else (), importlib.import_module(module))


def entry_points(group: str) -> Sequence[Point]:
    """Those of one group. Of distributions of one name, the first on the path counts."""
    if not _in_folders():
        from importlib import metadata

        return list(metadata.entry_points(group=group))
    return [point for folder in _distributions() for point in _points(folder, group)]


def _in_folders() -> bool:
    """Whether all distributions are in folders: no other finder knows any, and no path is an archive or an egg."""
    others = (finder for finder in sys.meta_path if finder is not PathFinder)
    if any(hasattr(finder, "find_distributions") for finder in others):
        return False
    return not any(path.lower().endswith(".egg") or os.path.isfile(path) for path in sys.path)


def _distributions() -> Iterator[str]:
    """The folder of each distribution's metadata, once for each name."""
    seen = set()
    for path in sys.path:
        for name in _listed(path or "."):
            stem, _, ending = name.rpartition(".")
            if ending.lower() not in _ENDINGS:
                continue
            normalized = re.sub(r"[-_.]+", "_", stem.partition("-")[0]).lower()
            if normalized not in seen:
                seen.add(normalized)
                yield os.path.join(path, name)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []  # Python's path names folders that do not exist, or may not be read


def _points(folder: str, group: str) -> Iterator[FoundPoint]:
    section, distribution = None, FoundDistribution(folder)
    for line in map(str.strip, _text(folder, "entry_points.txt").splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == group and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield FoundPoint(name.strip(), value.strip(), distribution)


def _text(folder: str, file: str) -> str:
    try:
        with open(os.path.join(folder, file), encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return ""  # not every distribution has one
