"""How a file of named arrays is laid out: which group the fields are in, and what its arrays are called there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import takewhile
from typing import Any

import numpy as np

from upt_data.arrays.source import ArraySource

SPLITS = {
    "train": "group",
    "valid": "valid_group",
    "validation": "valid_group",
    "val": "valid_group",
    "test": "test_group",
}
NUMBERS = "fiubcMmUSO"


@dataclass(frozen=True)
class Layout:
    """What a data set's settings call the arrays of a file.

    Args:
        full: name in the settings → name in the file, of the first group that is read.
        settings: the groups that are read.
        groups: their names, where each is one trajectory.
    """

    full: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()

    @property
    def per_trajectory(self) -> bool:
        """Whether each group is one trajectory."""
        return bool(self.groups)


def layout_of(source: ArraySource) -> Layout:
    """The groups of a file: none, one, one for each split, one for each trajectory, or groups of different things."""
    names = [one for one in source.names() if source.dtype(one).kind in NUMBERS]
    tops = sorted({one.partition("/")[0] for one in names if "/" in one})
    root = {one: one for one in names if "/" not in one}
    if not tops:
        return Layout(root)
    inside = {top: sorted(one.partition("/")[2] for one in names if one.startswith(f"{top}/")) for top in tops}
    if set(tops) <= set(SPLITS) and "train" in tops:
        return Layout(root | _in("train", inside["train"]), {SPLITS[top]: top for top in tops})
    if len(tops) == 1:
        return Layout(root | _in(tops[0], inside[tops[0]]), {"group": tops[0]})
    alike = max(([top for top in tops if inside[top] == own] for own in inside.values()), key=len)
    if len(alike) < 2:
        return Layout({one: one for one in names})
    return Layout(root | _in(alike[0], inside[alike[0]]), {"group": _pattern(alike, tops)}, tuple(alike))


def _in(group: str, names: Sequence[str]) -> dict[str, str]:
    return {one: f"{group}/{one}" for one in names}


def _pattern(alike: Sequence[str], tops: Sequence[str]) -> str:
    """A pattern that fits these groups and no others; of all of them ``*``."""
    if len(alike) == len(tops):
        return "*"
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*alike, strict=False))
    pattern = "".join(letters[0] for letters in same).rstrip("0123456789") + "*"
    return pattern if [top for top in tops if fnmatch(top, pattern)] == list(alike) else "*"


def varying_numbers(source: ArraySource, groups: Sequence[str]) -> list[str]:
    """Attributes of groups that are one number each and not the same in all of them, as a viscosity."""
    own = [source.attributes(group) for group in groups]
    numbers = [{name: float(np.asarray(value)) for name, value in one.items() if _is_number(value)} for one in own]
    return [name for name in numbers[0] if len({one.get(name) for one in numbers}) > 1] if numbers else []


def _is_number(value: Any) -> bool:
    found = np.asarray(value)
    return found.size == 1 and found.dtype.kind in "fiu"
