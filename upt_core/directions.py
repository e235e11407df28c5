"""Which way axes and components of vectors point, as far as their names say it. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence

AXES = {
    "x": 0, "lon": 0, "longitude": 0, "nav_lon": 0, "xlong": 0,
    "y": 1, "lat": 1, "latitude": 1, "nav_lat": 1, "xlat": 1,
    "z": 2, "level": 2, "height": 2,
}  # fmt: skip
"""The direction of an axis: 0 is x or east, 1 is y or north, 2 is z or up."""

_WORDS = {
    "zonal": 0, "eastward": 0, "meridional": 1, "northward": 1, "vertical": 2, "upward": 2,
}  # fmt: skip
_LETTERS = {"x": 0, "y": 1, "z": 2}
_VELOCITIES = {"u": 0, "v": 1, "w": 2}


def direction_of_axis(name: str) -> int | None:
    """The direction of an axis by its name, in whatever group and case; None: the name says none."""
    return AXES.get(_short(name))


def along_axes(components: Sequence[str], axes: Sequence[str]) -> tuple[int, ...]:
    """The axis that each component is along, where names say that it is not that of its own number; else ().

    Known are ``u, v, w`` with one and the same ending (``u10, v10``), one and the same name with x, y, z before or
    after it (``vx, vy``; ``wind_x, wind_y``), and zonal, meridional, vertical or eastward, northward, upward within it.

    Args:
        components: names of the components of one vector.
        axes: names of the axes.
    """
    of_axes = [direction_of_axis(axis) for axis in axes]
    names = [_short(name) for name in components]
    for told in (_by_word(names), _by_velocity(names), _by_letter(names)):
        if told is not None and len(told) == len(of_axes) and sorted(told) == sorted(map(_or_none, of_axes)):
            along = tuple(of_axes.index(direction) for direction in told)
            return () if along == tuple(range(len(along))) else along
    return ()


def _short(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _or_none(direction: int | None) -> int:
    return -1 if direction is None else direction


def _by_word(names: Sequence[str]) -> list[int] | None:
    found = [re.fullmatch(rf"(.*)({'|'.join(_WORDS)})(.*)", name) for name in names]
    return _alike([None if one is None else (_WORDS[one[2]], one[1] + "…" + one[3]) for one in found])


def _by_velocity(names: Sequence[str]) -> list[int] | None:
    return _alike([(_VELOCITIES[name[0]], name[1:]) if name[:1] in _VELOCITIES else None for name in names])


def _by_letter(names: Sequence[str]) -> list[int] | None:
    last = _alike([(_LETTERS[name[-1]], name[:-1]) if name[-1:] in _LETTERS else None for name in names])
    first = _alike([(_LETTERS[name[0]], name[1:]) if name[:1] in _LETTERS else None for name in names])
    return last or first


def _alike(found: Sequence[tuple[int, str] | None]) -> list[int] | None:
    """The directions, where every name has one, no two the same, and the rest of the names is the same."""
    known = [one for one in found if one is not None]
    directions, rests = [one[0] for one in known], {one[1] for one in known}
    return directions if len(known) == len(found) == len(set(directions)) and len(rests) == 1 else None
