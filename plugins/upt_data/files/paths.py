"""Which files a data set's ``path`` stands for (a file, list, pattern or folder), and the numbers in their names."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from upt_core import DataError
from upt_data.files.categories import Categories

"""How ``path`` is written: one file, pattern or folder, or a list of them."""

PARAMETER = re.compile(r"\{([A-Za-z_]\w*)\}")
WORD = r"[^/]+?"
NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Place:
    """One file that belongs to a data set.

    Args:
        path: the file, or the folder where the format is one.
        group: the group in the file that holds the fields; empty: the file itself.
        parameters: numbers in its name, by the names that stand for them in the pattern.
    """

    path: Path
    group: str = ""
    parameters: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file, and the group in it, for messages."""
        return f"{self.path}, group {self.group!r}" if self.group else str(self.path)


def find_files(
    setting: Path | Sequence[Path],
    suffixes: Sequence[str],
    is_one: Callable[[Path], bool],
    what: str = "file",
    categories: Categories | None = None,
) -> list[Place]:
    """The files that a setting stands for, each once, those of a folder or pattern in natural order.

    Args:
        setting: files, patterns (``*``, ``?``, ``[…]``; ``{name}`` stands for a number, which becomes the parameter
            ``name``) or folders.
        suffixes: how the names of a folder's files end.
        is_one: whether a path is one file of this format.
        what: a file of this format is called, in messages.
        categories: parameters that are names.

    Raises:
        DataError: nothing is found, a name has no number where one is expected, or a file is there twice.
    """
    several = [setting] if isinstance(setting, Path | str) else list(setting)
    if not several:
        raise DataError("path is an empty list; name at least one file")
    known = categories or Categories()
    places = [place for path in several for place in _places(Path(path).expanduser(), suffixes, is_one, what, known)]
    seen: set[Path] = set()
    for place in places:
        resolved = place.path.resolve()
        if resolved in seen:
            raise DataError(
                f"{place.path}: the file is listed twice; its trajectories could be in two splits; list it once"
            )
        seen.add(resolved)
    return places


def is_file(path: Path) -> bool:
    """Whether a path is one file, as in most formats."""
    return path.is_file()


def natural(path: Path) -> list[tuple[int, str]]:
    """Sort key in which ``run_10`` follows ``run_9``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path))]


def _places(
    path: Path, suffixes: Sequence[str], is_one: Callable[[Path], bool], what: str, categories: Categories
) -> list[Place]:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise DataError(f"{path}: upt reads only local files; download it first, and give the local path")
    if is_one(path):
        return [Place(path)]
    if path.is_dir():
        return _of_folder(path, suffixes, is_one, what)
    if PARAMETER.search(str(path)) or glob.has_magic(str(path)):
        return _of_pattern(str(path), is_one, categories)
    found = "it is not a complete one" if path.exists() else "it does not exist"
    raise DataError(
        f"{path}: expected a {what}, but {found}; correct the data set's path (now relative to {Path.cwd()})"
    )


def _of_folder(folder: Path, suffixes: Sequence[str], is_one: Callable[[Path], bool], what: str) -> list[Place]:
    found = [
        item
        for item in folder.iterdir()
        if is_one(item) and (item.is_dir() or not suffixes or item.name.lower().endswith(tuple(suffixes)))
    ]
    if not found:
        names = ", ".join(sorted(item.name for item in folder.iterdir())[:5]) or "nothing"
        endings = f" ({', '.join('*' + suffix for suffix in suffixes)})" if suffixes else ""
        raise DataError(
            f"{folder}: neither a {what} nor a folder that holds any{endings}; found: {names}; correct the path, or "
            f"write a pattern with {folder / '**'} for folders in folders"
        )
    return [Place(item) for item in sorted(found, key=natural)]


def _of_pattern(pattern: str, is_one: Callable[[Path], bool], categories: Categories) -> list[Place]:
    places = [
        Place(path, parameters=_parameters(path, pattern, categories))
        for path in sorted(map(Path, glob.glob(PARAMETER.sub("*", pattern), recursive=True)), key=natural)
        if is_one(path)
    ]
    if not places:
        raise DataError(f"{pattern}: no file fits this pattern; correct the path (now relative to {Path.cwd()})")
    return places


def _parameters(path: Path, pattern: str, categories: Categories) -> dict[str, float]:
    """The numbers that stand in a path where the pattern has names."""
    parts = PARAMETER.split(pattern)
    names = parts[1::2]
    if not names:
        return {}
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{pattern}: {repeated[0]!r} occurs twice; give each number a different name")
    plain = [re.escape(part).replace(r"\*\*/", ".*").replace(r"\*", ".*").replace(r"\?", ".") for part in parts[0::2]]
    kinds = [WORD if name in categories else NUMBER for name in names]
    expression = plain[0] + "".join(f"({kind}){part}" for kind, part in zip(kinds, plain[1:], strict=True))
    match = re.fullmatch(expression, str(path))
    if match is None:
        raise DataError(
            f"{path}: there is no number at the place where the pattern {pattern!r} has {{{'}, {'.join(names)}}}; "
            "rename the file, "
            f"or choose a pattern that leaves it out"
        )
    return {
        name: categories.number(name, text, str(path)) if name in categories else float(text)
        for name, text in zip(names, match.groups(), strict=True)
    }
