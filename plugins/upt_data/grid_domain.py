"""Where the points of files on a grid lie: one grid for all of them, or the points of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from upt_core import DataError
from upt_data.arrays.grid_content import GridContent
from upt_data.files.content import Content
from upt_data.files.dataset import Domain
from upt_data.grid import axis_length
from upt_data.point_domain import domain


def grid_domain(contents: Sequence[Content], wraps: Callable[[int], tuple[bool, ...]]) -> Domain:
    """The domain of files on a grid.

    Args:
        contents: the files.
        wraps: number of axes → for each axis, whether it wraps around.

    Raises:
        DataError: regular grids differ, or a grid of scattered points should wrap around.
    """
    grids = {content.place.name: content.grid for content in contents if isinstance(content, GridContent)}
    first_name, first = next(iter(grids.items()))
    for name, grid in grids.items():
        if (first.regular or grid.regular) and not grid.same_as(first):
            raise DataError(
                f"{name}: its grid of {_size(grid.shape)} points is another than that of {first_name} "
                f"({_size(first.shape)}, or other coordinates); use files of one grid, or space_stride on finer ones"
            )
    periodic = wraps(len(first.shape))
    if first.regular:
        return Domain(tuple(axis_length(axis) for axis in first.coords), periodic, first.shape)
    if any(periodic):
        raise DataError(
            f"{first_name}: the grid is curvilinear or unevenly spaced, and its points do not wrap around; leave "
            f"'periodic' out, or set uneven: index"
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


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
