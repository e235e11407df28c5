"""Where the points of files on a grid lie: one grid for all of them, or the points of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from upt_core import DataError
from upt_data.arrays.grid_content import GridContent
from upt_data.files.content import Content
from upt_data.files.dataset import Domain
from upt_data.grid import Grid, axis_length
from upt_data.point_domain import domain


def grid_domain(contents: Sequence[Content], wraps: Callable[[int], tuple[bool, ...]]) -> Domain:
    """The domain of files on grids of one box; regular ones may have different numbers of points.

    Args:
        contents: the files.
        wraps: number of axes → for each axis, whether it wraps around.

    Raises:
        DataError: regular grids are of different boxes, or a grid of scattered points should wrap around.
    """
    grids = {content.place.name: content.grid for content in contents if isinstance(content, GridContent)}
    first_name, first = next(iter(grids.items()))
    for name, grid in grids.items():
        if (first.regular or grid.regular) and not _fit(grid, first):
            raise DataError(
                f"{name}: its grid {_said(grid)} covers another box than that of {first_name}, {_said(first)}; files "
                "of a data set may have different numbers of points, but the box must be the same"
            )
    periodic = wraps(len(first.shape))
    if first.regular:
        lengths = [tuple(axis_length(axis) for axis in grid.coords) for grid in grids.values()]
        return Domain(tuple(map(max, zip(*lengths, strict=True))), periodic, first.shape)
    if any(periodic):
        raise DataError(
            f"{first_name}: the grid is curvilinear or unevenly spaced, so it cannot be periodic; leave 'periodic' "
            "out, or set uneven: index"
        )
    extent, origin = domain([grid.points() for grid in grids.values()], None, None, first_name)
    return Domain(extent, periodic, None, origin)


def stride_at(contents: Sequence[Content], grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
    """The ``space_stride`` that leaves so many points along each axis of the files' grid; None: there is none."""
    strides = set()
    for content in contents:
        whole = content.grid.file_shape if isinstance(content, GridContent) else ()
        if len(whole) != len(grid_shape) or min(grid_shape) < 2:
            return None
        strides |= {_stride(size, keeps) for size, keeps in zip(whole, grid_shape, strict=True)}
    found = strides.pop() if len(strides) == 1 else None
    return None if found is None else {"space_stride": found}


def _stride(size: int, keeps: int) -> int | None:
    """As every n-th point from the first on: of cells or of a periodic axis, or from end to end."""
    if size % keeps == 0:
        return size // keeps
    return (size - 1) // (keeps - 1) if (size - 1) % (keeps - 1) == 0 else None


def _fit(grid: Grid, other: Grid) -> bool:
    """Whether two grids are the same, or are regular ones in one box.

    The first and last points of grids in one box differ by no more than their spacings do: by half of that for centres
    of cells, by all of it at one end where the last point is left out, and not at all where both ends are points.
    """
    if not (grid.regular and other.regular) or len(grid.shape) != len(other.shape):
        return grid.same_as(other)
    if grid.shape == other.shape:
        return grid.same_as(other)
    for own, known in zip(grid.coords, other.coords, strict=True):
        spacings = [axis_length(axis) / len(axis) for axis in (own, known)]
        slack = abs(spacings[0] - spacings[1]) + 1e-3 * min(spacings)
        if max(abs(own[0] - known[0]), abs(own[-1] - known[-1])) > slack:
            return False
    return True


def _said(grid: Grid) -> str:
    ends = " × ".join(f"{float(axis.min()):g} to {float(axis.max()):g}" for axis in grid.coords)
    return f"of {_size(grid.shape)} points from {ends}"


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
